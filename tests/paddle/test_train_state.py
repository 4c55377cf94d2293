"""Checkpoints of trainings: going on from them, and what can be wrong with them."""

from tests.resuming import (  # noqa: F401  # pytest finds them here
    test_a_damaged_checkpoint,
    test_a_full_disk_leaves_the_last_checkpoint,
    test_a_resumed_training_ends_bit_identical,
    test_checkpoints_between_epochs_do_not_change_the_training,
    test_the_converter_reads_it,
)
