"""Programs that a lab host gets so that it seems to have GPUs; no GPU is there.

They use the standard library only, because they run with the ``python3`` of a bare Debian 12. The
lab puts them on each new host (:mod:`llmrack_lab.gpus`) and tells them what to pretend.
"""
