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
    "the model is.",
    record="Record",
    live="Live",
    live_note="The answer firms up while you talk. Only the last {seconds} seconds count.",
    keys_note="Alt+R starts and stops recording. Esc stops what is under way.",
    microphone={
        "denied": ("The microphone is blocked", "This page may not use the microphone."),
        "absent": (
            "No microphone found",
            "Connect a microphone, or switch it on in the system's settings; then record again.",
        ),
        "busy": (
            "The microphone is busy",
            "Another program or tab is using it, or the system has switched it off. Close "
            "that program, then record again.",
        ),
        "insecure": (
            "No recording at this address",
            "Browsers record only on pages whose address begins with https. Choose a file instead.",
        ),
    },
    allow_microphone={
        "chrome": "Click the symbol to the left of the address, switch the microphone on, and record again.",
        "firefox": "Click the crossed-out microphone to the left of the address, remove the block, and record again.",
        "safari": "In the menu Safari choose “Settings for This Website”, set Microphone to Allow, and record again.",
        "ios": "Tap the page menu beside the address, then “Website Settings”, set Microphone to Allow, and record "
        "again.",
        "android": "Tap the symbol to the left of the address, then “Permissions”, allow the microphone, and record "
        "again.",
    },
    device="Microphone",
    own_recording="Your recording",
    upload="Drop recordings here, or click to choose",
    upload_phone="Or choose files",
    drop="Drop to analyse",
    add="Add recordings",
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
    listening_note="Speak; the first answer comes after two or three seconds of speech.",
    listening_on="Go on: with a little more speech there will be an answer.",
    reading="Reading the recording …",
    stop="Stop",
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
    several="There is more than one language; the timeline below shows where each is.",
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
    report="Save as a page",
    wrong="Wrong? It was:",
    wrong_other="another language",
    wrong_note="One click saves a small file with this answer's numbers and the language you name, nothing else. "
    "Nothing is sent; you may pass the file on.",
    player="Listen to {name}",
    gone="This recording has been deleted from the server, as all are within the hour. Send it again to listen.",
    bars_note="Among the three languages: of 100 recordings to which the model gives 90 % for a language, about 90 are "
    "in it. For speech in any other language these numbers mean nothing.",
    shares="Shares of the speech",
    shares_note="How much of the speech is in each language.",
    channel_shares="Channel {number}: {speech} of speech",
    pictures={
        "timeline": (
            "When was which language heard?",
            "The sound, in the colour of the language; under it, about a second of speech for each column, shared out "
            "between the languages. Grey and blank is silence. Click to listen from there; drag over a part to "
            "choose it.",
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
            "What did the model attend to?",
            "Each row is a moment of the first stretch of speech; its bright columns are the moments it drew on. "
            "A bright diagonal is a layer that looks at its surroundings.",
        ),
    },
    layer="Encoder layer",
    head="Attention head (a range: their average)",
    timeline="Timeline: the arrow keys move, Enter plays",
    zoom_in="Zoom in",
    zoom_out="Zoom out",
    part="Analyse {start}–{end} alone",
    whole="Back to the whole recording",
    part_note="Only {start}–{end} of the recording.",
    segments="Segments",
    segment_columns=("Start", "End", "Language", "How sure", "Of the speech"),
    save_segments="Save the segments:",
    files=("{count} recording", "{count} recordings"),
    files_heading="Your recordings",
    columns=("File", "Language", "Probability", "Speech", "Length"),
    download="Download as CSV",
    progress="{share} % heard",
    earlier="Earlier in this visit",
    compare="Compare",
    close="Close",
)
