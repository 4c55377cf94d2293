"""Hub folders: what all frameworks do."""

from __future__ import annotations

from tests.hub import (  # noqa: F401  # pytest finds them here
    test_a_body,
    test_a_card_on_the_hub_is_kept,
    test_a_folder_gives_the_model_and_is_written_again,
    test_a_new_head_has_no_class_names,
    test_another_head,
    test_arrays_of_another_dtype,
    test_bfloat16_which_numpy_does_not_have,
    test_layers_of_several_temperatures,
    test_the_example_of_save_pretrained,
    test_the_hub_itself,
    test_the_temperature_comes_back,
    test_weights_that_the_config_does_not_describe,
    test_what_does_not_fit_the_model,
    test_what_is_there_is_not_lost,
    test_without_huggingface_hub,
)
