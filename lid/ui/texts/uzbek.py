"""The page in Uzbek, Latin script. The letters oʻ and gʻ take U+02BB, the tutuq belgisi is U+02BC."""

from lid.ui.texts.labels import Labels
from lid.ui.texts.schema import Texts

UZBEK = Texts(
    code="uz",
    decimal_comma=True,
    plural=lambda count: 0,  # nouns stay singular after a number
    names={"uz": "Oʻzbekcha", "ru": "Ruscha", "en": "Inglizcha"},
    joined=" va ",
    title="Oʻzbekcha, ruscha yoki inglizcha?",
    introduction="Bir jumla ayting yoki audio yuklang: uch tildan qaysi birida gapirilgani va javob qanchalik "
    "ishonchli ekani koʻrinadi.",
    record="Yozib olish",
    live="Jonli",
    live_note="Siz gapirgan sari javob aniqlashib boradi. Oxirgi {seconds} soniya hisobga olinadi.",
    upload="Yoki audiolarni shu yerga tashlang",
    examples="Yoki namunani eshitib koʻring",
    example_names={
        "uzbek": "Oʻzbekcha",
        "russian": "Ruscha",
        "english": "Inglizcha",
        "uzbek-then-english": "Avval oʻzbekcha, keyin inglizcha",
    },
    examples_note="Namunalarni sintezator oʻqigan, jonli nutq bundan aniqroq eshitiladi.",
    either="yoki",
    limits_note="{formats}, {minutes}. Audiolar shu serverda qayta ishlanadi va bir soat ichida oʻchiriladi.",
    minutes=("{count} daqiqagacha",),
    waiting="Javob shu yerda chiqadi",
    waiting_note="Bir necha soniyalik nutq kifoya.",
    listening="Eshityapman …",
    listening_note="Gapiring: birinchi javob taxminan bir soniyadan keyin chiqadi.",
    failed="Amalga oshmadi",
    busy="Hozir navbat toʻla",
    busy_note="{limit} ta audio navbatda turibdi. Bir daqiqadan keyin yana urinib koʻring.",
    broken_note="Serverda xatolik yuz berdi. Yana urinib koʻring; takrorlansa, boshqa audio yuboring.",
    restarting="Server qayta ishga tushirilmoqda. Yozuvni bir daqiqadan soʻng yana yuboring.",
    queued="navbat",
    working="ishlanmoqda",
    no_links="Havolalar ochilmaydi. Audioning oʻzini yuboring.",
    no_file="Audio kelmadi. Audio fayl yuboring.",
    too_many_files="{count} ta fayl yuborildi, bir martada {limit} tagacha mumkin. Boʻlib-boʻlib yuboring.",
    too_long_together="Bu audiolar birgalikda {minutes:.0f} daqiqadan uzun. Bunisini alohida yuboring.",
    problems={
        "missing": "Audio kelmadi. Audio fayl yuboring.",
        "empty": "Bu fayl boʻsh (0 bayt). Uni qaytadan yozib oling yoki saqlang.",
        "not_audio": "Bu faylni audio sifatida oʻqib boʻlmadi. {formats} yuboring.",
        "unreadable": "Bu fayldagi tovushni oʻqib boʻlmadi. Uni qaytadan yozib oling yoki saqlang.",
        "too_short": "Audio juda qisqa. Kamida bir soniya gapiring.",
        "too_long": "Audio juda uzun: {minutes} qabul qilinadi. Bir qismini yuboring.",
        "too_large": "Fayl juda katta: {megabytes} MB gacha qabul qilinadi. Qisqaroq audio yoki MP3 kabi siqilgan "
        "formatni yuboring.",
        "too_costly": "Bu faylni oʻqish juda koʻp vaqt yoki xotira oladi. Uni MP3 yoki WAV qilib saqlang va yuboring.",
        "too_costly_together": "Oldingi fayllarni oʻqish juda koʻp vaqt oldi. Bunisini alohida yuboring.",
        "stopped": "Bu faylni oʻqish uzilib qoldi. Uni yana bir marta yuboring.",
        "sample_rate": "Diskretlash chastotasi odatdagidan boshqacha: {min_rate} dan {max_rate} Hz gacha qabul "
        "qilinadi.",
    },
    certainties=(
        (0.95, "Deyarli shubha yoʻq."),
        (0.8, "Ancha ishonchli."),
        (0.0, "Shunga oʻxshaydi. Uzunroq jumla aniqlik kiritadi."),
    ),
    unsure="Aytish qiyin",
    unsure_note="{first} ({first_share}) yoki {second} ({second_share}) boʻlishi mumkin. Tinchroq joyda uzunroq jumla "
    "yozib oling.",
    next_comes="Ikkinchi oʻrinda {second}: {second_share}.",
    several="Bittadan ortiq til eshitildi; qaysi biri qachon yangragani pastda.",
    unknown="Uch tildan hech biri",
    unknown_note="Bu oʻzbekchaga ham, ruschaga ham, inglizchaga ham oʻxshamaydi. Agar shulardan biri boʻlsa, "
    "mikrofonga yaqinroq kelib, tinch joyda uzunroq jumla yozib oling.",
    sounds_like="Bu {language} tiliga oʻxshaydi.",
    sounds_like_advice="Agar bu baribir oʻzbekcha, ruscha yoki inglizcha boʻlsa, mikrofonga yaqinroq kelib, tinch "
    "joyda uzunroq jumla yozib oling.",
    silence="Nutq eshitilmadi",
    silence_note="{duration} davomida ovozga oʻxshash hech narsa eshitilmadi. Mikrofonni tekshiring, yaqinroq keling "
    "va kamida bir soniya gapiring.",
    unreadable="Fayl shikastlangan",
    unreadable_note="Faylning bir qismi oʻqilmadi, oʻqilgan {duration} ichida nutq eshitilmadi. Uni qayta saqlang "
    "yoki qayta yuboring.",
    unreadable_part="faylning bir qismi oʻqilmadi",
    short_speech="Nutq bor-yoʻgʻi {speech}: koʻproq gapirilsa, javob aniqroq boʻladi.",
    damaged="Faylning bir qismi oʻqilmadi; javob oʻqilgan {duration} haqida.",
    spoken="{duration} audioda {speech} nutq",
    took="javob {took} ichida tayyor boʻldi; {hardware}; {model}",
    kept="javob avvalgi bosishdan saqlangan; {model}",
    model="moslashtirilgan Whisper {size}",
    seconds="{number} s",
    copy="Raqamlarni nusxalash",
    copy_json="JSON nusxalash",
    copied="Nusxalandi",
    bars_note="Bir tilga 90 % chiqqan yuzta audiodan toʻqsontachasi chindan ham shu tilda boʻladi.",
    pictures={
        "timeline": (
            "Qaysi til qachon yangradi?",
            "Har bir ustun tillar oʻrtasida taqsimlangan bir soniyacha nutq; boʻsh joylar jimlik. Oʻsha joydan "
            "eshitish uchun bosing.",
        ),
        "evidence": (
            "Har bir lahza nima qoʻshdi?",
            "Noldan yuqoridagi chiziq oʻz tilini quvvatlaydi, noldan pastdagisi inkor etadi. Javob ularning "
            "oʻrtachasidan kelib chiqadi.",
        ),
        "mel": (
            "Model nimani eshitdi?",
            "Modelga beriladigan mel-spektrogramma: vaqt oʻngga, tovush balandligi yuqoriga boradi, yorqin joy "
            "baland ovoz.",
        ),
        "attention": (
            "Kodlovchi qayerga qaradi?",
            "Har bir qator nutq boshidagi bir lahza; undagi yorqin ustunlar shu lahza tayangan joylar. Yorqin "
            "diagonal atrofiga qaraydigan qatlamni bildiradi.",
        ),
    },
    layer="Kodlovchi qatlami",
    head="Diqqat boshchasi (oraliq: oʻrtachasi)",
    files=("{count} ta audio",),
    files_heading="Audiolaringiz",
    columns=("Fayl", "Til", "Ehtimollik", "Nutq", "Uzunligi"),
    download="CSV yuklab olish",
    progress="{share} % eshitildi",
    labels=Labels(
        names={"uz": "Oʻzbekcha", "ru": "Ruscha", "en": "Inglizcha"},
        probability="Ehtimollik (%)",
        time="Vaqt (s)",
        channel="Kanal",
        evidence="Dalil (logit)",
        frequency="Chastota (Hz)",
        loudness="eng balandidan past, dB",
        looking_at="Qayerga (s)",
        looking_from="Qayerdan (s)",
        share="teng ulushga nisbatan, marta",
        second="s",
        decibel="dB",
        separators=", ",
    ),
)
