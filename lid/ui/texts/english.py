"""The page in English."""

from lid.languages import NAMES
from lid.ui.texts.schema import Texts

ENGLISH = Texts(
    code="en",
    decimal_comma=False,
    plural=lambda count: int(count != 1),
    names=NAMES,
    joined=" and ",
    title="Uzbek, Russian or English?",
    introduction="Record a sentence or drop a recording, and see which of the three languages is spoken and how sure "
    "that is.",
    record="Record",
    live="Live",
    live_note="The answer firms up while you talk. Only the last {seconds} seconds count.",
    upload="Or drop recordings",
    examples="Or try an example",
    example_names={
        "uzbek": "Uzbek",
        "russian": "Russian",
        "english": "English",
        "uzbek-then-english": "Uzbek, then English",
    },
    examples_note="Spoken by a synthesiser, so less clear than a person.",
    either="or",
    limits_note="{formats}, up to {minutes}. Recordings are processed on this server and deleted within the hour.",
    minutes=("{count} minute", "{count} minutes"),
    waiting="The answer appears here",
    waiting_note="A few seconds of speech are enough.",
    listening="Listening …",
    listening_note="Speak; the first answer comes after about a second.",
    failed="That did not work",
    busy="Busy right now",
    busy_note="{limit} recordings are waiting already. Try again in a minute.",
    broken_note="Something went wrong on the server. Try again; if it happens again, send another recording.",
    restarting="This server is being restarted. Send the recording again in a minute.",
    queued="queue",
    working="processing",
    no_links="Links are not opened. Send the recording itself.",
    no_file="No recording was sent. Send one audio file.",
    too_many_files="These are {count} files; {limit} can be sent at once. Send them in parts.",
    too_long_together="Together these recordings are longer than {minutes:.0f} minutes. Send this one apart.",
    problems={
        "too_large": "This file is too large: up to {megabytes} MB are taken. Send a shorter recording or a compressed "
        "format such as MP3."
    },
    certainties=(
        (0.95, "Little room for doubt."),
        (0.8, "Fairly sure."),
        (0.0, "It leans this way. A longer sentence would settle it."),
    ),
    unsure="Not sure",
    unsure_note="It could be {first} ({first_share}) or {second} ({second_share}). Record a longer sentence, with less "
    "noise around it.",
    next_comes="Next comes {second} with {second_share}.",
    several="More than one language is heard; see below when.",
    unknown="None of the three",
    unknown_note="This does not sound like Uzbek, Russian or English. If it is one of them, record a longer sentence, "
    "closer to the microphone and with less noise.",
    sounds_like="It sounds like {language}.",
    sounds_like_advice="If it is Uzbek, Russian or English after all, record a longer sentence, closer to the "
    "microphone and with less noise.",
    silence="No speech heard",
    silence_note="Nothing in these {duration} sounds like a voice. Check the microphone, come closer to it and speak "
    "for a second or more.",
    unreadable="This file is damaged",
    unreadable_note="Part of it could not be read. No speech heard in the {duration} that could. Export or send it "
    "again.",
    unreadable_part="part of the file could not be read",
    short_speech="There are only {speech} of speech: more would make it surer.",
    damaged="Part of this file could not be read; this is about the {duration} that could.",
    spoken="{speech} of speech in {duration}",
    took="answered in {took} on {hardware} by {model}",
    kept="kept from an earlier click; answered by {model}",
    model="a fine-tuned Whisper {size}",
    seconds="{number} s",
    copy="Copy the numbers",
    copy_json="Copy as JSON",
    copied="Copied",
    bars_note="Of a hundred recordings that get 90 % for a language, about ninety are in it.",
    pictures={
        "timeline": (
            "When was which language heard?",
            "Each column is about a second of speech, shared out between the languages; blank stretches are silence. "
            "Click to listen from there.",
        ),
        "evidence": (
            "What did each moment add?",
            "A line above zero speaks for its language, below zero against it. Their averages make the answer.",
        ),
        "mel": (
            "What did the model hear?",
            "The mel spectrogram it is given: time runs to the right, pitch upwards, and bright means loud.",
        ),
        "attention": (
            "Where did the encoder look?",
            "Each row is a moment of the first stretch of speech; its bright columns are the moments it drew on. "
            "A bright diagonal is a layer that looks at its surroundings.",
        ),
    },
    layer="Encoder layer",
    head="Attention head (a range: their average)",
    files=("{count} recording", "{count} recordings"),
    files_heading="Your recordings",
    columns=("File", "Language", "Probability", "Speech", "Length"),
    download="Download as CSV",
    progress="{share} % heard",
)
