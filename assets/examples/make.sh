#!/bin/sh
# Speak the page's example clips and compress them with FFmpeg. Run from anywhere: sh assets/examples/make.sh
# Needs Debian's festival, festvox-ru, festvox-us-slt-hts, espeak-ng and ffmpeg.
# Four containers on purpose: the examples also show that the file type does not matter.
set -eu
cd "$(dirname "$0")"
encode() { ffmpeg -loglevel error -y -f wav -i - -ac 1 -ar 16000 -map_metadata -1 -fflags +bitexact "$@"; }
pcm() { ffmpeg -loglevel error -f wav -i - -f s16le -ac 1 -ar 22050 -; }
festival_says() { printf '%s\n' "$2" | text2wave -eval "(voice_$1)"; }

# Festival's voices are put together from recorded speech. It has none for Uzbek: that is eSpeak NG, a formant voice.
uzbek() { espeak-ng -v uz+klatt4 -s 135 --stdout \
  "Assalomu alaykum! Bugun havo juda yaxshi. Keling, bog‘da birga sayr qilamiz va choy ichamiz."; }
russian() { festival_says msu_ru_nsh_clunits \
  "Здравствуйте! Сегодня прекрасная погода. Давайте погуляем вместе в парке и выпьем чаю."; }
english() { festival_says cmu_us_slt_arctic_hts \
  "Good morning! The weather is lovely today. Let us walk in the park together and have some tea."; }

uzbek | encode -b:a 32k uzbek.mp3
russian | encode -c:a libopus -b:a 24k russian.ogg
english | encode -c:a aac -b:a 32k english.m4a
{ uzbek | pcm; head -c 26460 /dev/zero; english | pcm; } |
  ffmpeg -loglevel error -y -f s16le -ac 1 -ar 22050 -i - -ar 16000 -map_metadata -1 -fflags +bitexact \
    -c:a libopus -b:a 24k -f webm uzbek-then-english.webm
