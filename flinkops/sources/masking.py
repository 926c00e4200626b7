"""Settings and texts without the secrets in them."""

from flinkops.outside.masking import MASK, masked_setting, masked_text

__all__ = ["MASK", "masked_setting", "masked_text"]
