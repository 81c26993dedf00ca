#!/usr/bin/env bash
# The main job on real inputs: three task graphs, then a blocked Cholesky factorisation from Python and from C++.
# Pictures and traces go to build/demo.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly out=build/demo
mkdir -p "$out"

section() { printf '\n==> %s\n' "$*"; }

for graph in stencil_1d.v1 reduction_7 cholesky_12; do
    section "Graph $graph"
    .venv/bin/polyreme run "examples/graphs/$graph.gph" --repeat 5 --plot "$out/$graph-run.png" --trace "$out/$graph.json"
    .venv/bin/polyreme plot "examples/graphs/$graph.gph" --output "$out/$graph.png"
done

section "Blocked Cholesky of a 4096 x 4096 matrix, Python with NumPy and SciPy kernels"
.venv/bin/python examples/cholesky.py --size 4096

section "Blocked Cholesky of a 4096 x 4096 matrix, C++ with LAPACK kernels"
build/release/examples/cholesky_lapack 4096

section "Written"
du -h "$out"/*
printf 'Open the .json traces in https://ui.perfetto.dev\n'
