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
    live="Jonli rejim",
    live_note="Siz gapirgan sari javob aniqlashib boradi. Oxirgi {seconds} soniya hisobga olinadi.",
    keys_note="Alt+R yozishni boshlaydi va toʻxtatadi, Esc ishni toʻxtatadi.",
    microphone={
        "denied": ("Mikrofonga ruxsat yoʻq", "Bu sahifaga mikrofondan foydalanish taqiqlangan."),
        "absent": ("Mikrofon topilmadi", "Mikrofonni ulang yoki tizim sozlamalarida yoqing va yana yozib koʻring."),
        "busy": (
            "Mikrofon band",
            "Undan boshqa dastur yoki sahifa foydalanmoqda yoki tizim uni oʻchirib qoʻygan. Oʻsha "
            "dasturni yoping va yana yozib koʻring.",
        ),
        "insecure": (
            "Bu manzilda yozib boʻlmaydi",
            "Brauzerlar faqat manzili https bilan boshlanadigan sahifalarda yozadi. Fayl tanlang.",
        ),
    },
    allow_microphone={
        "chrome": "Manzilning chap tomonidagi belgini bosing, mikrofonni yoqing va yana yozib koʻring.",
        "firefox": "Manzilning chap tomonidagi usti chizilgan mikrofonni bosing, taqiqni olib tashlang va yana yozib "
        "koʻring.",
        "safari": "Safari menyusida ushbu veb-sayt sozlamalarini oching, mikrofonga ruxsat bering va yana yozib "
        "koʻring.",
        "ios": "Manzil yonidagi sahifa menyusini, soʻng veb-sayt sozlamalarini oching, mikrofonga ruxsat bering va "
        "yana yozib koʻring.",
        "android": "Manzilning chap tomonidagi belgini, soʻng ruxsatlarni bosing, mikrofonga ruxsat bering va yana "
        "yozib koʻring.",
    },
    device="Mikrofon",
    own_recording="Sizning yozuvingiz",
    upload="Audiolarni shu yerga tashlang yoki tanlash uchun bosing",
    upload_phone="Yoki fayl tanlang",
    drop="Tahlil qilish uchun qoʻyib yuboring",
    add="Audio qoʻshish",
    examples="Yoki namunani eshitib koʻring",
    example_names={
        "uzbek": "Oʻzbekcha",
        "russian": "Ruscha",
        "english": "Inglizcha",
        "uzbek-then-english": "Avval oʻzbekcha, keyin inglizcha",
    },
    examples_note="Namunalarni nutq sintezatori oʻqigan; jonli nutq odatda bundan aniqroq boʻladi.",
    either="yoki",
    limits_note="{formats}, {minutes}. Audiolar shu serverda qayta ishlanadi va bir soat ichida oʻchiriladi.",
    minutes=("{count} daqiqagacha",),
    waiting="Javob shu yerda chiqadi",
    waiting_note="Bir necha soniyalik nutq kifoya.",
    listening="Eshityapman …",
    listening_note="Gapiring: birinchi javob ikki-uch soniyalik nutqdan keyin chiqadi.",
    listening_on="Davom eting: yana ozgina gapirsangiz, javob chiqadi.",
    reading="Audio oʻqilmoqda …",
    stop="Toʻxtatish",
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
        (0.8, "Ishonch yuqori."),
        (0.0, "Ehtimol, shu til. Uzunroq jumla aniqlik kiritadi."),
    ),
    unsure="Aytish qiyin",
    unsure_note="{first} ({first_share}) yoki {second} ({second_share}) boʻlishi mumkin. Tinchroq joyda uzunroq jumla "
    "yozib oling.",
    next_comes="Ikkinchi oʻrinda {second}: {second_share}.",
    several="Audioda bir nechta til bor; qaysi biri qayerdaligi pastdagi grafikda.",
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
    report="Sahifa qilib saqlash",
    wrong="Notoʻgʻrimi? Aslida:",
    wrong_other="boshqa til",
    wrong_note="Bir marta bosilsa, shu javobning raqamlari va siz aytgan til kichik faylga saqlanadi, boshqa hech "
    "narsa emas. Hech qayerga yuborilmaydi; faylni oʻzingiz joʻnatishingiz mumkin.",
    player="Eshitish: {name}",
    gone="Bu audio serverdan oʻchirilgan: hammasi bir soat ichida oʻchiriladi. Eshitish uchun uni yana yuboring.",
    bars_note="Til shu uchtadan biri boʻlsa: dastur biror tilga 90 % bergan har 100 ta audiodan taxminan 90 tasi "
    "haqiqatan shu tilda boʻladi. Boshqa tildagi nutq haqida bu raqamlar hech narsa demaydi.",
    shares="Nutqdagi ulushlar",
    shares_note="Nutqning qancha qismi qaysi tilda ekani.",
    channel_shares="{number}-kanal: {speech} nutq",
    pictures={
        "timeline": (
            "Qaysi til qachon eshitildi?",
            "Tovush til rangida chizilgan. Ostidagi har bir ustun — taxminan bir soniya nutq; ranglar tillar ulushini "
            "koʻrsatadi. Kulrang va boʻsh joylar — jimlik. Oʻsha joydan eshitish uchun bosing; boʻlagini tanlash uchun "
            "ustidan suring.",
        ),
        "evidence": (
            "Har bir lahza javobga nima qoʻshdi?",
            "Noldan yuqoridagi chiziq oʻz tilini quvvatlaydi, noldan pastdagisi inkor etadi. Javob ularning "
            "oʻrtachasidan kelib chiqadi.",
        ),
        "mel": (
            "Model nimani eshitdi?",
            "Modelga beriladigan mel-spektrogramma: vaqt oʻngga, tovush balandligi yuqoriga boradi, yorqin joy "
            "baland ovoz.",
        ),
        "attention": (
            "Model nutqning qaysi joyiga eʼtibor berdi?",
            "Har bir qator — nutq boshidagi bir lahza; undagi yorqin ustunlar — model shu lahzada tayangan joylar. "
            "Yorqin diagonal qoʻshni lahzalarni hisobga oladigan qatlamni bildiradi.",
        ),
    },
    layer="Kodlovchi qatlami",
    head="Diqqat boshi (attention head); oraliq — oʻrtachasi",
    timeline="Vaqt chizigʻi: strelkalar suradi, Enter eshittiradi",
    zoom_in="Kattalashtirish",
    zoom_out="Kichraytirish",
    part="Faqat {start}–{end} qismini tahlil qilish",
    whole="Butun audioga qaytish",
    part_note="Audioning faqat {start}–{end} qismi.",
    segments="Boʻlaklar",
    segment_columns=("Boshi", "Oxiri", "Til", "Ishonch", "Nutqdagi ulushi"),
    save_segments="Boʻlaklarni saqlash:",
    files=("{count} ta audio",),
    files_heading="Audiolaringiz",
    columns=("Fayl", "Til", "Ehtimollik", "Nutq", "Uzunligi"),
    download="CSV yuklab olish",
    progress="{share} % eshitildi",
    earlier="Shu tashrifdagi javoblar",
    compare="Solishtirish",
    close="Yopish",
    labels=Labels(
        names={"uz": "Oʻzbekcha", "ru": "Ruscha", "en": "Inglizcha"},
        probability="Ehtimollik (%)",
        time="Vaqt (s)",
        clock="Vaqt",
        channel="Kanal",
        evidence="Dalil (logit)",
        frequency="Chastota (Hz)",
        loudness="eng baland tovushga nisbatan, dB",
        looking_at="Qayerga (s)",
        looking_from="Qayerdan (s)",
        share="teng ulushdan necha baravar katta",
        second="s",
        decibel="dB",
        separators=", ",
    ),
)
