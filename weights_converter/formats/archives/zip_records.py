"""The fixed parts of a zip archive, https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT.

Only what weights files need of it: entries one after the other, stored as they are or deflated.
"""

from __future__ import annotations

import struct

LOCAL = struct.Struct("<4s5H3I2H")
LOCAL_MAGIC = b"PK\x03\x04"
CENTRAL = struct.Struct("<4s6H3I5H2I")
CENTRAL_MAGIC = b"PK\x01\x02"
END = struct.Struct("<4s4H2IH")
END_MAGIC = b"PK\x05\x06"
END64 = struct.Struct("<4sQ2H2I4Q")
END64_MAGIC = b"PK\x06\x06"
LOCATOR64 = struct.Struct("<4sIQI")
LOCATOR64_MAGIC = b"PK\x06\x07"

EXTRA = struct.Struct("<2H")
ZIP64_EXTRA = 1
SATURATED_16 = 0xFFFF
SATURATED_32 = 0xFFFFFFFF  # the true value is in the zip64 extra field

STORED = 0
DEFLATED = 8
ENCRYPTED = 0x0001
LEVEL = 0x0006  # how hard the writer tried to compress
DESCRIPTOR = 0x0008  # sizes and checksum follow the data too
UTF8 = 0x0800
