"""Networks leave the frameworks: written for another runtime, played there and compared."""
