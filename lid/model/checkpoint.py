"""Checkpoints: a Whisper base under a new head, LoRA on it, merged, averaged, and saved as a Transformers folder."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from peft import LoraConfig, get_peft_model
from peft.peft_model import PeftModel
from safetensors import SafetensorError
from torch import nn
from transformers import WhisperFeatureExtractor, WhisperForAudioClassification

from lid.errors import InputError
from lid.features import FRAME_SECONDS
from lid.languages import CODES
from lid.model import checksums, graphs, open_set, sizes
from lid.model.open_set import OpenSetDetector

LORA_TARGETS = ("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2")
HEAD = ("projector", "classifier")
SOUNDS = "sounds"  # the second head's name in a model that is trained


def load_base(
    base_model: str, window: float, labels: Sequence[str] = CODES, layers: int | None = None
) -> WhisperForAudioClassification:
    """A Whisper checkpoint's encoder under a new head for `labels`, its window cut to `window` seconds, and of
    its layers the first `layers` kept (None: all).

    The position table is sinusoids, the same at any length, so a shorter window just needs fewer of its rows.
    Raises InputError when there is no Whisper model at `base_model` (a Hub id or a folder).
    """
    try:
        model = WhisperForAudioClassification.from_pretrained(
            base_model,
            num_labels=len(labels),
            id2label=dict(enumerate(labels)),
            label2id={label: index for index, label in enumerate(labels)},
            dtype=torch.float32,
            use_safetensors=True,
            ignore_mismatched_sizes=True,  # a head of other labels is replaced
        )
    except (OSError, ValueError) as error:
        raise InputError(f"No Whisper model could be loaded from {base_model}. ({error})", "model") from error
    if layers is not None:
        keep_layers(model, layers)
    return shorten(model, window)


def take_rows(model: WhisperForAudioClassification, start: "Checkpoint") -> None:
    """Give the head the rows that `start`'s has, in place, language by language; others keep their random ones. Its
    encoder and projector must be `start`'s already: rows mean nothing on other embeddings."""
    own = start.model.classifier
    weight = torch.cat([own.weight.detach().float(), torch.from_numpy(start.detector.weight)])
    bias = torch.cat([own.bias.detach().float(), torch.from_numpy(start.detector.bias)])
    places = {code: place for place, code in enumerate((*CODES, *start.detector.languages))}
    with torch.no_grad():
        for row, label in cast(dict[int, str], model.config.id2label).items():
            if label in places:
                model.classifier.weight[row] = weight[places[label]]
                model.classifier.bias[row] = bias[places[label]]


def keep_layers(model: WhisperForAudioClassification, layers: int) -> None:
    """Keep the encoder's first `layers`, in place. The norm behind the last one stays, for LoRA and head to fit."""
    if not 1 <= layers <= len(model.encoder.layers):
        raise InputError(f"This model has {len(model.encoder.layers)} encoder layers, not {layers}.", "layers")
    model.encoder.layers = model.encoder.layers[:layers]
    model.config.encoder_layers = layers


def shorten(model: WhisperForAudioClassification, window: float) -> WhisperForAudioClassification:
    """Cut the model's window to `window` seconds, in place."""
    positions = round(window / FRAME_SECONDS)
    table = model.encoder.embed_positions.weight
    if positions > len(table):
        raise InputError(f"This model hears at most {len(table) * FRAME_SECONDS:.0f} s at once.", "window")
    model.encoder.embed_positions = nn.Embedding.from_pretrained(table[:positions].detach().clone(), freeze=True)
    model.encoder.max_source_positions = model.config.max_source_positions = positions
    return model


def add_lora(model: WhisperForAudioClassification, rank: int, dropout: float) -> PeftModel:
    """Freeze the encoder, put LoRA of this rank on its attention and feed-forward layers, and train the head whole.

    No `task_type`: SEQ_CLS would leave the projector frozen at its random start.
    """
    config = LoraConfig(
        r=rank,
        lora_alpha=2 * rank,
        lora_dropout=dropout,
        target_modules=list(LORA_TARGETS),
        modules_to_save=list(HEAD),
        use_rslora=False,
    )
    return get_peft_model(model, config)


def inside(model: PeftModel) -> WhisperForAudioClassification:
    """The model that PEFT has wrapped, LoRA in its layers."""
    return cast(WhisperForAudioClassification, model.get_base_model())


class Sounds(nn.Linear):
    """A second head on the classifier's input: which of a teacher's `languages` a clip sounds like."""

    def __init__(self, width: int, languages: Sequence[str]):
        super().__init__(width, len(languages))
        self.languages = tuple(languages)
        nn.init.normal_(self.weight, std=0.02)
        nn.init.zeros_(self.bias)


def add_sounds(model: PeftModel, languages: Sequence[str], start: OpenSetDetector | None = None) -> None:
    """Put a second head, for these languages, beside the first, in place; that of `start`, where it has one for the
    same languages. It is trained like the first one, and no part of the adapter: the detector keeps it."""
    whole = inside(model)
    head = Sounds(whole.config.classifier_proj_size, languages)
    if start and start.sounds_languages == head.languages:
        with torch.no_grad():
            head.weight.copy_(torch.from_numpy(start.sounds_weight))
            head.bias.copy_(torch.from_numpy(start.sounds_bias))
    whole.add_module(SOUNDS, head)


@dataclass
class Checkpoint:
    """All that is served: the model of the three languages, in float16, and what lies beside it."""

    model: WhisperForAudioClassification
    detector: OpenSetDetector

    @classmethod
    def merged(cls, model: PeftModel) -> "Checkpoint":
        """Fold LoRA into the weights, and move the head's rows for other languages, and the second head where there is
        one, into the detector.

        Ends the training of `model`: its layers are changed in place.
        """
        whole = model.merge_and_unload()
        detector = _take_sounds(whole, _take_background(whole))
        return cls(whole.to("cpu", torch.float16), detector)

    @classmethod
    def load(cls, folder: Path) -> "Checkpoint":
        """Read a saved checkpoint. Raises InputError when there is none, or it is damaged or exchanged."""
        detector = OpenSetDetector.load(folder)
        if detector is None:
            raise InputError(f"{folder} holds no checkpoint of a run: {open_set.FILE_NAME} is missing.", "checkpoint")
        checksums.verify(folder, checksums.WEIGHTS)
        sizes.check(folder)
        try:
            model = WhisperForAudioClassification.from_pretrained(folder, use_safetensors=True, dtype=torch.float16)
        except (OSError, ValueError) as error:
            raise InputError(f"No checkpoint could be loaded from {folder}. ({error})", "model") from error
        return cls(model, detector)

    @property
    def window(self) -> float:
        """Seconds that the model hears at once."""
        return self.model.config.max_source_positions * FRAME_SECONDS

    def divide_logits(self, temperature: float) -> None:
        """Divide all logits by `temperature`, in place. The last layer is linear, so that is exact, and whoever loads
        the checkpoint, with our code or without, gets calibrated probabilities."""
        with torch.no_grad():
            for parameter in self.model.classifier.parameters():
                parameter.div_(temperature)
        self.detector = self.detector.scaled(temperature)

    def save(self, folder: Path) -> None:
        """Write a plain Transformers folder that needs no PEFT to load, the detector and the graphs that serve on CPUs
        beside it, and checksums of all.

        Raises InputError where it cannot be written.
        """
        mels = self.model.config.num_mel_bins
        extractor = WhisperFeatureExtractor(feature_size=mels, chunk_length=round(self.window))
        with writing(folder):
            extractor.save_pretrained(folder)
            self.model.save_pretrained(folder)
            self.detector.save(folder)
            for file in Path(folder).glob("*.safetensors"):
                file.chmod(0o644)  # save_pretrained leaves it to its owner alone
        graphs.write(folder, self.model, self.detector)


def _take_background(model: WhisperForAudioClassification) -> OpenSetDetector:
    """Cut the head down to the three languages and return the rows cut off."""
    id2label = cast(dict[int, str], model.config.id2label)
    labels = [id2label[i] for i in range(len(id2label))]
    head = model.classifier
    weight, bias = head.weight.detach(), head.bias.detach()
    of_codes = [labels.index(code) for code in CODES]
    rest = [i for i, label in enumerate(labels) if label not in CODES]
    model.classifier = nn.Linear(head.in_features, len(CODES))
    with torch.no_grad():
        model.classifier.weight.copy_(weight[of_codes])
        model.classifier.bias.copy_(bias[of_codes])
    model.config.id2label = dict(enumerate(CODES))
    model.config.label2id = {code: index for index, code in enumerate(CODES)}
    return OpenSetDetector(
        tuple(labels[i] for i in rest), weight[rest].float().cpu().numpy(), bias[rest].float().cpu().numpy()
    )


def _take_sounds(model: WhisperForAudioClassification, detector: OpenSetDetector) -> OpenSetDetector:
    """Cut the second head off, where there is one, and return the detector with it."""
    head = getattr(model, SOUNDS, None)
    if head is None:
        return detector
    delattr(model, SOUNDS)
    weight, bias = (tensor.detach().float().cpu().numpy() for tensor in (head.weight, head.bias))
    return detector.with_sounds(head.languages, weight, bias)


def average(checkpoints: Sequence[Checkpoint]) -> Checkpoint:
    """Make the encoder of the first of several checkpoints the mean of all, weight by weight, and return that one: runs
    that began alike often do better together on the unfamiliar than the best of them (a model soup, Wortsman et al.
    2022, arXiv:2203.05482).

    Encoders began alike, from the base model. Heads began from each seed's own numbers, so that their mean would be
    nobody's: the first one's stay. What was fitted on the weights before, the row for speech and the distances, is left
    out. Raises InputError when the checkpoints are not of one shape or were trained with different background
    languages.
    """
    first = checkpoints[0]
    shapes = {name: weight.shape for name, weight in first.model.state_dict().items()}
    summed = {name: weight.double() for name, weight in first.model.encoder.state_dict().items()}
    for other in checkpoints[1:]:
        if {name: weight.shape for name, weight in other.model.state_dict().items()} != shapes:
            raise InputError("The checkpoints differ in shape; only runs of one shape are averaged.", "model")
        if other.detector.languages != first.detector.languages:
            raise InputError("The checkpoints were trained with different background languages.", "model")
        for name, weight in other.model.encoder.state_dict().items():
            summed[name] += weight
    first.model.encoder.load_state_dict({name: weight / len(checkpoints) for name, weight in summed.items()})
    first.detector = first.detector.unfitted()
    return first


def average_with_start(checkpoint: Checkpoint, start: Checkpoint, share: float) -> None:
    """Make all weights `share` of those of the checkpoint that training began from and the rest its own, in place.
    Heads began alike too, so they are averaged as the encoder is (WiSE-FT, as below); rows of background languages
    that `start` has not stay. What was fitted on the weights before is left out.

    Raises InputError when they are not of one shape.
    """
    shapes = [{name: weight.shape for name, weight in one.model.state_dict().items()} for one in (checkpoint, start)]
    if shapes[0] != shapes[1]:
        raise InputError("The run and the checkpoint that it began from differ in shape.", "model")
    weights = {name: weight.float() for name, weight in start.model.state_dict().items()}
    mixed = {name: weight.float().lerp(weights[name], share) for name, weight in checkpoint.model.state_dict().items()}
    checkpoint.model.load_state_dict(mixed)
    own, first = checkpoint.detector, start.detector
    places = {code: place for place, code in enumerate(first.languages)}
    rows = [(row, places[code]) for row, code in enumerate(own.languages) if code in places]
    here, there = [list(of) for of in zip(*rows, strict=True)] if rows else ([], [])
    weight, bias = own.weight.copy(), own.bias.copy()
    weight[here] += share * (first.weight[there] - weight[here])
    bias[here] += share * (first.bias[there] - bias[here])
    mean = own.unfitted().with_rows(weight, bias)
    if own.sounds_weight is not None and own.sounds_languages == first.sounds_languages:
        heads = [(one.sounds_weight, one.sounds_bias) for one in (own, first)]
        mean = mean.with_sounds(
            own.sounds_languages, *((1 - share) * a + share * b for a, b in zip(*heads, strict=True))
        )
    checkpoint.detector = mean


def average_with_base(model: WhisperForAudioClassification, base_model: str, share: float) -> None:
    """Make the encoder's weights `share` of the base model's and the rest its own, in place; the head stays.

    On voices and rooms unlike those of training the average may do better than either (WiSE-FT, Wortsman et al. 2022,
    arXiv:2109.01903). Raises InputError when `base_model` is not what it was made from.
    """
    window, layers = model.config.max_source_positions * FRAME_SECONDS, model.config.encoder_layers
    base = dict(load_base(base_model, window, layers=layers).encoder.named_parameters())
    with torch.no_grad():
        for name, weight in model.encoder.named_parameters():
            original = base.get(name)
            if original is None or original.shape != weight.shape:
                raise InputError(f"The model is not made from {base_model}; its {name} differs.", "model")
            weight.copy_(weight.float().lerp(original, share))


@contextmanager
def writing(place: Path) -> Iterator[None]:
    """Where results are saved: a full disk, or one that may not be written, is an InputError."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        raise InputError(
            f"{place} could not be written ({error}); the run's state as last saved is still there. Make room and give "
            "the same command again.",
            "disk",
        ) from error
