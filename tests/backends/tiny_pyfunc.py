"""The smallest model that MLflow takes: a module that loads it, written by hand."""

from pathlib import Path
from textwrap import dedent

# Answers with the means of the channels.
BRIGHTEST = """
class Model:
    def predict(self, images):
        return images.mean(axis=(2, 3))

def _load_pyfunc(path):
    return Model()
"""
# Answers with the brightest channel, as scikit-learn's `predict` does.
BRIGHTEST_LABEL = BRIGHTEST.replace("(2, 3))", "(2, 3)).argmax(axis=1)")


def write_pyfunc(folder: Path, loader: str) -> Path:
    (folder / "code").mkdir(parents=True)
    (folder / "code" / "tiny_loader.py").write_text(loader)
    (folder / "MLmodel").write_text(
        dedent("""\
        flavors:
          python_function:
            loader_module: tiny_loader
            code: code
        """)
    )
    return folder
