#!/bin/sh
# Installs the Open WebUI that the browser tests chat through into a venv of its own: install.sh FOLDER
# Its dependencies contradict ours; and torch goes first, so that the resolver does not bring a CUDA build.
set -eu
uv=.venv/bin/uv
$uv venv --quiet --python 3.11 "$1"
$uv pip install --quiet --python "$1/bin/python" torch==2.13.0
$uv pip install --quiet --python "$1/bin/python" open-webui==0.12.4 torch==2.13.0
