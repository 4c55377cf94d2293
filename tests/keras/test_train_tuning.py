"""Trainings that start from a checkpoint."""

from tests.fine_tuning import (  # noqa: F401  # pytest finds them here
    test_a_file_without_names_is_taken_by_its_shape,
    test_a_head_with_its_own_rate_goes_on,
    test_a_network_with_other_classes_is_not_scored,
    test_a_start_of_another_network_is_refused,
    test_frozen_norms_keep_their_statistics,
    test_frozen_stages_stay_and_the_rest_learns,
    test_the_head_has_a_rate_of_its_own,
    test_the_head_is_kept_for_the_same_classes,
)
