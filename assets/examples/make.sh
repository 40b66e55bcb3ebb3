#!/bin/sh
# Speak the page's example clips with espeak-ng and compress them with FFmpeg. Run from anywhere: sh assets/examples/make.sh
# Four containers on purpose: the examples also show that the file type does not matter.
set -eu
cd "$(dirname "$0")"
speak() { espeak-ng -v "$1" -s 150 --stdout "$2"; }
encode() { ffmpeg -loglevel error -y -f wav -i - -ac 1 -ar 16000 -map_metadata -1 -fflags +bitexact "$@"; }

UZ="Assalomu alaykum! Bugun havo juda yaxshi. Keling, bog‘da birga sayr qilamiz va choy ichamiz."
RU="Здравствуйте! Сегодня прекрасная погода. Давайте погуляем вместе в парке и выпьем чаю."
EN="Good morning! The weather is lovely today. Let us walk in the park together and have some tea."

speak uz "$UZ" | encode -b:a 32k uzbek.mp3
speak ru "$RU" | encode -c:a libopus -b:a 24k russian.ogg
speak en-us "$EN" | encode -c:a aac -b:a 32k english.m4a
{ speak uz "$UZ" | ffmpeg -loglevel error -f wav -i - -f s16le -ac 1 -ar 22050 -
  head -c 26460 /dev/zero
  speak en-us "$EN" | ffmpeg -loglevel error -f wav -i - -f s16le -ac 1 -ar 22050 -
} | ffmpeg -loglevel error -y -f s16le -ac 1 -ar 22050 -i - -ar 16000 -map_metadata -1 -fflags +bitexact \
  -c:a libopus -b:a 24k -f webm uzbek-then-english.webm
