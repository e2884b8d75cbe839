"""Which imports do nothing but build a model, and which never belong in one.

The list is by places and not by what sounds harmless: whatever is not on it cannot be checked.
"""

import re

from xray_gate.static_checks.pickles.machine import Import

_BUILTINS = (
    "bool bytearray bytes complex dict float frozenset int list object range set slice str tuple"
)
_NAMES: dict[str, frozenset[str]] = {
    module: frozenset(names.split())
    for module, names in {
        "builtins": _BUILTINS,
        "__builtin__": _BUILTINS + " unicode long",
        "collections": "Counter OrderedDict defaultdict deque",
        "copyreg": "_reconstructor",
        "copy_reg": "_reconstructor",
        "_codecs": "encode",
        "datetime": "date datetime time timedelta timezone",
        "decimal": "Decimal",
        "fractions": "Fraction",
        "functools": "partial",
        "numpy": "dtype ndarray bool_ float16 float32 float64 int8 int16 int32 int64 uint8 uint16 "
        "uint32 uint64",
        "numpy.core.multiarray": "_reconstruct scalar",
        "numpy._core.multiarray": "_reconstruct scalar",
        "numpy.core.numeric": "_frombuffer",
        "numpy._core.numeric": "_frombuffer",
        "numpy.random._pickle": "__randomstate_ctor __bit_generator_ctor __generator_ctor",
        "numpy.random.mtrand": "RandomState",
        "numpy.random._generator": "Generator",
        "numpy.random._mt19937": "MT19937",
        "numpy.random._pcg64": "PCG64",
        "numpy.random.bit_generator": "SeedSequence __pyx_unpickle_SeedSequence",
        "scipy.sparse._csr": "csr_matrix csr_array",
        "scipy.sparse._csc": "csc_matrix csc_array",
        "torch": "Size device dtype Tensor float16 float32 float64 bfloat16 half float double int8 "
        "int16 int32 int64 uint8 bool contiguous_format channels_last preserve_format strided "
        "BFloat16Storage BoolStorage ByteStorage CharStorage ComplexDoubleStorage "
        "ComplexFloatStorage DoubleStorage FloatStorage HalfStorage IntStorage LongStorage "
        "QInt32Storage QInt8Storage QUInt8Storage ShortStorage",
        "torch.storage": "TypedStorage UntypedStorage",
        "torch.serialization": "_get_layout",
        "torch._utils": "_rebuild_parameter _rebuild_parameter_with_state _rebuild_qtensor "
        "_rebuild_sparse_tensor _rebuild_tensor _rebuild_tensor_v2 _rebuild_tensor_v3",
        "torch._tensor": "_rebuild_from_type_v2",
        "torch.nn.parameter": "Buffer Parameter",
        "torch.nn.functional": "elu gelu hardsigmoid hardswish hardtanh leaky_relu log_softmax "
        "mish relu relu6 selu sigmoid silu softmax softplus tanh",
        "torch._C._nn": "gelu hardsigmoid hardswish leaky_relu relu6 silu",
        "torch.jit._pickle": "build_boollist build_doublelist build_intlist build_tensorlist "
        "restore_type_tag",
        "sklearn.utils._bunch": "Bunch",
    }.items()
}
# Classes of layers and estimators, whose makers do no more than keep what they are given.
_LAYER = re.compile(r"[A-Z][A-Za-z0-9]+")
_ESTIMATOR = re.compile(r"_?[A-Z][A-Za-z0-9]+")
_CLASSES = (
    (re.compile(r"torch\.nn\.modules\.[a-z0-9][a-z0-9_]*"), _LAYER),
    (re.compile(r"torchvision\.(models|ops)(\.[a-z0-9][a-z0-9_]*)+"), _LAYER),
    (
        re.compile(
            r"sklearn\.(calibration|compose|decomposition|discriminant_analysis|ensemble|"
            r"feature_selection|isotonic|kernel_approximation|linear_model|multiclass|multioutput|"
            r"naive_bayes|neighbors|neural_network|pipeline|preprocessing|random_projection|svm|"
            r"tree|_loss)(\._[a-z0-9_]+)*(\.(binning|predictor|gradient_boosting|loss|link))?"
        ),
        _ESTIMATOR,
    ),
    # TorchScript's own classes, which Python cannot import; not those that libraries bring.
    (
        re.compile(
            r"__torch__(?!\.torch\.classes\.(?!(quantized|xnnpack|mkldnn)\b))(\.[A-Za-z0-9_]+)*"
        ),
        re.compile(r"\w+"),
    ),
)
# FunctionTransformer and the like call what they are given.
_NOT_CLASSES_OF_DATA = frozenset({"FunctionTransformer"})
_NEVER = re.compile(
    r"(os|posix|nt|subprocess|_posixsubprocess|pty|shutil|socket|_socket|ssl|ctypes|_ctypes|"
    r"importlib|_imp|runpy|code|codeop|pdb|bdb|cProfile|profile|timeit|trace|pip|ensurepip|venv|"
    r"webbrowser|pydoc|pydoc_data|urllib|http|ftplib|smtplib|imaplib|poplib|telnetlib|asyncio|"
    r"multiprocessing|signal|sys|marshal|pickle|_pickle|pickletools|dill|_pyrepl|idlelib|"
    r"lib2to3|distutils|commands|requests|aiohttp|urllib2|httplib|popen2|cPickle|paramiko|_osx_support|_aix_support|"
    r"torch\.hub|torch\.utils\.cpp_extension|torch\.utils\.collect_env|"
    r"numpy\.f2py|numpy\.testing)(\..*)?"
)
_NEVER_BUILTINS = frozenset(
    {
        *("eval", "exec", "execfile", "compile", "open", "input", "__import__", "apply"),
        *("breakpoint", "file", "globals"),
    }
)
_IDENTIFIERS = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")


def builds_models_only(found: Import) -> bool:
    """Whether the import is on the list."""
    if found.name in _NAMES.get(found.module, ()):
        return True
    return found.name not in _NOT_CLASSES_OF_DATA and any(
        place.fullmatch(found.module) and names.fullmatch(found.name) for place, names in _CLASSES
    )


def never_in_a_model(found: Import) -> bool:
    """Whether the import runs commands, opens files or connections, or loads code by design."""
    if _NEVER.fullmatch(found.module):
        return True
    if found.module in ("builtins", "__builtin__"):
        # What `compile` is needed for, cloudpickle does without.
        return found.name.partition(".")[0] in _NEVER_BUILTINS
    return False


def could_be_imported(found: Import) -> bool:
    """Whether the names are such that an import could find them, or are not known."""
    if not found.module and not found.name:
        return True
    return all(_IDENTIFIERS.fullmatch(text) is not None for text in found)
