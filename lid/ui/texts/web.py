"""What the page without a server says beside the texts of the page with one (web/, made by lid.release.web_data)."""

from dataclasses import dataclass


@dataclass(frozen=True)
class WebTexts:
    """`problems`: reason -> sentence, before those of `Texts.problems`. Megabytes are filled in by the page."""

    limits_note: str
    loading: str
    loading_note: str
    ready_note: str  # when recordings may be dropped before the model is there
    stop: str
    language: str  # beside the list of the page's languages
    problems: dict[str, str]


ENGLISH = WebTexts(
    limits_note="{formats}, up to {minutes}. Recordings never leave this device.",
    loading="Loading the model: {done} of {total} MB",
    loading_note="This happens once. Then the page works without a network, too.",
    ready_note="The recording is heard as soon as the model is there.",
    stop="Stop",
    language="Language of the page",
    problems={
        "empty": "This file is empty (0 bytes). Record or export it again.",
        "not_audio": "This browser cannot read this file as audio. Send {formats}.",
        "unreadable": "No sound could be read from this file. Record or export it again.",
        "too_short": "This recording is too short. Speak for at least a second.",
        "too_long": "This recording is too long: up to {minutes} are taken. Send a part of it.",
        "too_large": "This file would have to be decoded whole, and is too large for that. Send it as MP3, WAV or "
        "Opus, or a part of it.",
        "sample_rate": "This file has an unusual sample rate: {min_rate} to {max_rate} Hz are taken.",
        "microphone": "The microphone cannot be used. Allow it in the browser's settings for this page, or drop a "
        "recording.",
        "no_simd": "This browser is too old: it has no WebAssembly SIMD, which the model runs on. Update it, or use "
        "another one.",
        "not_secure": "Browsers check the model and give the microphone only to pages from https:// or from this "
        "device. Open the page by such an address.",
        "no_runtime": "ONNX Runtime, which runs the model, is missing here or damaged. Whoever serves this page runs "
        "python web/serve.py --fetch-only once.",
        "no_model": "{file} could not be loaded. Check the network and open the page again.",
        "damaged_model": "{file} is not the file that was published: it is damaged or was exchanged. Nothing is "
        "answered with it. Open the page again; if it stays, whoever serves it copies the file again.",
        "other_version": "{file} is a graph of another version than this page. Whoever serves it copies the page and "
        "the model from one version.",
        "broken": "Something went wrong in the browser. Open the page again; if it happens again, send another "
        "recording.",
        "memory": "This device has not enough memory for this recording. Send a part of it.",
    },
)

RUSSIAN = WebTexts(
    limits_note="{formats}, до {minutes}. Записи не покидают это устройство.",
    loading="Загружается модель: {done} из {total} МБ",
    loading_note="Это нужно один раз. Потом страница работает и без сети.",
    ready_note="Запись будет прослушана, как только модель загрузится.",
    stop="Стоп",
    language="Язык страницы",
    problems={
        "not_audio": "Этот браузер не может прочитать файл как аудио. Подойдут {formats}.",
        "too_large": "Этот файл можно раскодировать только целиком, а для этого он слишком велик. Сохраните его как "
        "MP3, WAV или Opus или отправьте часть.",
        "microphone": "Микрофон недоступен. Разрешите его для этой страницы в настройках браузера или перетащите "
        "запись.",
        "no_simd": "Браузер слишком старый: в нём нет WebAssembly SIMD, а модель работает на нём. Обновите браузер "
        "или откройте другой.",
        "not_secure": "Проверить модель и включить микрофон браузер позволяет только страницам с https:// или с этого "
        "устройства. Откройте страницу по такому адресу.",
        "no_runtime": "ONNX Runtime, который запускает модель, здесь отсутствует или повреждён. Тому, кто раздаёт "
        "страницу, нужно один раз выполнить python web/serve.py --fetch-only.",
        "no_model": "Не удалось загрузить {file}. Проверьте сеть и откройте страницу снова.",
        "damaged_model": "{file} — не тот файл, что был опубликован: он повреждён или подменён. С ним ответов не "
        "будет. Откройте страницу снова; если не поможет, файл должен скопировать заново тот, кто раздаёт страницу.",
        "other_version": "{file} — граф другой версии, чем эта страница. Тому, кто её раздаёт, нужно скопировать "
        "страницу и модель одной версии.",
        "broken": "В браузере что-то пошло не так. Откройте страницу снова; если повторится, отправьте другую запись.",
        "memory": "На этом устройстве не хватает памяти для этой записи. Отправьте её часть.",
    },
)

UZBEK = WebTexts(
    limits_note="{formats}, {minutes}. Audiolar bu qurilmadan tashqariga chiqmaydi.",
    loading="Model yuklanmoqda: {total} MB dan {done} MB",
    loading_note="Bu bir marta kerak. Keyin sahifa internetsiz ham ishlaydi.",
    ready_note="Model yuklanishi bilan audio eshitiladi.",
    stop="Toʻxtatish",
    language="Sahifa tili",
    problems={
        "not_audio": "Bu brauzer faylni audio sifatida oʻqiy olmaydi. {formats} yuboring.",
        "too_large": "Bu faylni faqat butunligicha ochish mumkin, buning uchun esa u juda katta. Uni MP3, WAV yoki "
        "Opus qilib saqlang yoki bir qismini yuboring.",
        "microphone": "Mikrofondan foydalanib boʻlmadi. Brauzer sozlamalarida bu sahifaga ruxsat bering yoki audio "
        "tashlang.",
        "no_simd": "Brauzer juda eski: unda model ishlashi uchun kerak boʻlgan WebAssembly SIMD yoʻq. Uni yangilang "
        "yoki boshqasini oching.",
        "not_secure": "Brauzerlar modelni tekshirish va mikrofonni faqat https:// yoki shu qurilmadagi sahifalarga "
        "ochadi. Sahifani shunday manzildan oching.",
        "no_runtime": "Modelni ishga tushiradigan ONNX Runtime bu yerda yoʻq yoki shikastlangan. Sahifani tarqatuvchi "
        "bir marta python web/serve.py --fetch-only buyrugʻini bajarishi kerak.",
        "no_model": "{file} yuklanmadi. Internetni tekshiring va sahifani qayta oching.",
        "damaged_model": "{file} eʼlon qilingan fayl emas: u shikastlangan yoki almashtirilgan. U bilan javob "
        "berilmaydi. Sahifani qayta oching; takrorlansa, sahifani tarqatuvchi faylni qaytadan nusxalashi kerak.",
        "other_version": "{file} bu sahifadan boshqa versiyadagi graf. Sahifani tarqatuvchi sahifa va modelni bir xil "
        "versiyadan nusxalashi kerak.",
        "broken": "Brauzerda xatolik yuz berdi. Sahifani qayta oching; takrorlansa, boshqa audio yuboring.",
        "memory": "Bu qurilmada bunday audio uchun xotira yetmaydi. Uning bir qismini yuboring.",
    },
)

ALL = {"en": ENGLISH, "ru": RUSSIAN, "uz": UZBEK}
