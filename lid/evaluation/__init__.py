"""What a model is worth: fitted thresholds, measures, and what others get on the same clips."""

from pathlib import Path

MAP = Path("figures") / "embeddings.json"  # in a run's folder: what the map of embeddings is drawn from
