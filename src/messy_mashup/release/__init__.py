"""A run or a blend as a folder for the Hugging Face hub: what transformers loads, ONNX, and a model card.

`released_members.py` chooses what is released, `transformers_folder.py` writes an AST, `model_card.py` the card,
`release_folder.py` the whole folder, and `hub_upload.py` sends it.
"""
