"""What a machine reads of the model card: the metadata at its head, with what was measured as a model-index."""

from huggingface_hub import EvalResult, ModelCardData

from lid.languages import CODES, NAMES

MEASURED = {  # key of metrics.json's "test" -> the Hub's name of the metric, and ours
    "accuracy": ("accuracy", "Accuracy"),
    "macro_f1": ("f1", "Macro F1"),
    "ece": ("ece", "Expected calibration error"),
}
WHISPERS = {f"whisper-{size}" for size in ("tiny", "base", "small", "medium", "large", "large-v2", "large-v3")}


def metadata(metrics: dict) -> str:
    """YAML, without its fences, for a run's `metrics.json`. What is not measured there is left out."""
    test = metrics.get("test", {})
    base = metrics.get("settings", {}).get("base_model", "")
    results = [
        EvalResult(
            task_type="audio-classification",
            task_name="Spoken language identification",
            dataset_type="held-out",
            dataset_name="Clips of speakers not heard in training",
            dataset_split="test",
            metric_type=kind,
            metric_name=name,
            metric_value=test[key],
        )
        for key, (kind, name) in MEASURED.items()
        if test.get(key) is not None
    ]
    return ModelCardData(
        license="mit",
        library_name="transformers",
        pipeline_tag="audio-classification",
        language=list(CODES),
        base_model=hub_id(base),
        tags=["language-identification", "whisper", "lora", *(name.lower() for name in NAMES.values())],
        metrics=[result.metric_type for result in results] or None,
        model_name="-".join(["lid", *CODES, *([base] if base else [])]).replace("/", "-") if results else None,
        eval_results=results or None,
    ).to_yaml()


def hub_id(base: str) -> str | None:
    """The base model's name on the Hub, where it has one: a folder's name is no link."""
    if "/" in base:
        return base
    return f"openai/{base}" if base in WHISPERS else None
