#!/bin/sh
# look-models FOLDER: prints the models in a models directory: model digest NAME SHA256, NAME being the
# manifest's path below manifests/; model size NAME BYTES; and for each blob that is missing or of
# another size, model damage NAME SHA256 BYTES.
#
# They are read from disk, because the server may be down; it reads them anew on each request, too.
cd "$1/manifests" 2>/dev/null || exit 0
manifests() { find -- * -mindepth 3 -maxdepth 3 -type f "$@" 2>/dev/null; }
manifests -exec sha256sum {} + | while read -r digest name; do
  printf 'model\tdigest\t%s\t%s\n' "$name" "$digest"
done
# A layer is {"mediaType": ..., "digest": "sha256:...", "size": ...}; its blob has that size.
# shellcheck disable=SC2016
find ../blobs -maxdepth 1 -name 'sha256-*' -printf '%f %s\n' 2>/dev/null | sed s/sha256-// |
  manifests -exec awk '
    FILENAME == "-" { there[$1] = $2; next }
    {
      n = split($0, layers, /[}{]/)
      for (i = 1; i <= n; i++) if (match(layers[i], /"size": *[0-9]+/)) {
        size = substr(layers[i], RSTART + 7, RLENGTH - 7) + 0
        sum[FILENAME] += size
        if (match(layers[i], /sha256:[0-9a-f]+/)) {
          digest = substr(layers[i], RSTART + 7, RLENGTH - 7)
          if (!(digest in there) || there[digest] != size)
            printf "model\tdamage\t%s\t%s\t%.0f\n", FILENAME, digest, size
        }
      }
    }
    END { for (name in sum) printf "model\tsize\t%s\t%.0f\n", name, sum[name] }
  ' - {} +
