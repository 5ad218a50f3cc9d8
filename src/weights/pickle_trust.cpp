#include "weights/pickle_trust.h"

#include <algorithm>
#include <array>
#include <cstddef>

namespace sd::pickle {
namespace {

constexpr std::size_t kMostCharacters = 200;  // of a module or a name

/// Names of one module, between blanks.
struct Known {
  std::string_view module;
  std::string_view names;
};

/// What only makes data: values of Python and NumPy, tensors and what they are made of.
constexpr std::array kKnown = {
    Known{"collections", " OrderedDict defaultdict Counter deque "},
    Known{"builtins",
          " set frozenset dict list tuple object int float bool str bytes bytearray complex slice "
          "range "},
    Known{"__builtin__",
          " set frozenset dict list tuple object int long float bool str unicode bytearray complex "
          "slice xrange "},
    Known{"_codecs", " encode "},
    Known{"copyreg", " _reconstructor "},
    Known{"copy_reg", " _reconstructor "},
    Known{"functools", " partial "},
    Known{"_operator", " getitem "},
    Known{"operator", " getitem "},
    Known{"argparse", " Namespace "},
    Known{"types", " SimpleNamespace NoneType "},
    Known{"datetime", " datetime date time timedelta timezone "},
    Known{"decimal", " Decimal "},
    Known{"fractions", " Fraction "},
    Known{"random", " Random "},
    Known{"uuid", " UUID SafeUUID "},
    Known{"pathlib", " Path PurePath PosixPath PurePosixPath WindowsPath PureWindowsPath "},
    Known{"pathlib._local", " Path PurePath PosixPath PurePosixPath WindowsPath PureWindowsPath "},
    Known{"numpy",
          " ndarray dtype bool bool_ int8 int16 int32 int64 uint8 uint16 uint32 uint64 intc intp "
          "uintc uintp longlong ulonglong float16 float32 float64 longdouble complex64 complex128 "
          "str_ bytes_ void generic number integer signedinteger unsignedinteger inexact floating "
          "datetime64 timedelta64 "},
    Known{"numpy.core.multiarray", " _reconstruct scalar "},
    Known{"numpy._core.multiarray", " _reconstruct scalar "},
    Known{"numpy.core.numeric", " _frombuffer "},
    Known{"numpy._core.numeric", " _frombuffer "},
    Known{"numpy.random._pickle", " __randomstate_ctor __generator_ctor __bit_generator_ctor "},
    Known{"numpy.random._mt19937", " MT19937 "},
    Known{"numpy.random._pcg64", " PCG64 "},
    Known{
        "torch",
        " Size device dtype layout memory_format qscheme Tensor Generator float64 double float32 "
        "float float16 half bfloat16 float8_e4m3fn float8_e4m3fnuz float8_e5m2 float8_e5m2fnuz "
        "float8_e8m0fnu int64 long int32 int int16 short int8 uint8 uint16 uint32 uint64 bool "
        "complex32 complex64 complex128 chalf cfloat cdouble qint8 quint8 qint32 quint4x2 strided "
        "sparse_coo sparse_csr contiguous_format preserve_format channels_last channels_last_3d "
        "per_tensor_affine per_channel_affine "},
    Known{"torch.storage",
          " UntypedStorage TypedStorage _UntypedStorage _TypedStorage _LegacyStorage "},
    Known{"torch.serialization", " _get_layout "},
    Known{"torch.nn.parameter", " Parameter Buffer "},
    Known{"torch._tensor", " _rebuild_from_type _rebuild_from_type_v2 "},
    Known{"torch._utils",
          " _rebuild_tensor _rebuild_tensor_v2 _rebuild_tensor_v3 _rebuild_parameter "
          "_rebuild_parameter_with_state _rebuild_sparse_tensor _rebuild_sparse_csr_tensor "
          "_rebuild_qtensor _rebuild_nested_tensor _rebuild_meta_tensor_no_storage "
          "_rebuild_device_tensor_from_numpy _rebuild_device_tensor_from_cpu_tensor "
          "_rebuild_wrapper_subclass "},
};

/// Modules whose classes say what a type is; naming one does nothing.
constexpr std::string_view kTypes = " typing abc collections.abc numbers enum ";

/// Python's own modules, of versions 2.7 to 3.14, by what stands before the first dot: of these
/// only what is known is let through.
constexpr std::string_view kPythons =
    " BaseHTTPServer Bastion CGIHTTPServer ConfigParser Cookie DocXMLRPCServer HTMLParser "
    "MimeWriter Queue SimpleHTTPServer SimpleXMLRPCServer SocketServer StringIO Tkinter "
    "UserDict UserList UserString abc aifc antigravity anydbm argparse array ast asynchat "
    "asyncio asyncore atexit audioop base64 bdb binascii binhex bisect bsddb builtins bz2 "
    "cPickle cProfile cStringIO calendar cgi cgitb chunk cmath cmd code codecs codeop "
    "collections colorsys commands compileall compiler concurrent configparser contextlib "
    "contextvars cookielib copy copy_reg copyreg crypt csv ctypes curses dataclasses datetime "
    "dbhash dbm decimal difflib dis distutils doctest dumbdbm dummy_threading email encodings "
    "ensurepip enum errno exceptions faulthandler fcntl filecmp fileinput fnmatch formatter "
    "fractions ftplib functools future_builtins gc genericpath getopt getpass gettext glob "
    "graphlib grp gzip hashlib heapq hmac hotshot html htmllib http httplib idlelib ihooks "
    "imaplib imghdr imp importlib imputil inspect io ipaddress itertools json keyword lib2to3 "
    "linecache locale logging lzma macpath mailbox mailcap marshal math md5 mhlib mimetools "
    "mimetypes mimify mmap modulefinder msilib msvcrt multifile multiprocessing mutex netrc "
    "new nis nntplib nt ntpath nturl2path numbers opcode operator optparse os os2emxpath "
    "ossaudiodev parser pathlib pdb pickle pickletools pipes pkgutil platform plistlib popen2 "
    "poplib posix posixfile posixpath pprint profile pstats pty pwd py_compile pyclbr pydoc "
    "pydoc_data pyexpat queue quopri random re readline reprlib resource rexec rfc822 "
    "rlcompleter robotparser runpy sched secrets select selectors sgmllib sha shelve shlex "
    "shutil signal site smtpd smtplib sndhdr socket socketserver spwd sqlite3 sre_compile "
    "sre_constants sre_parse ssl stat statistics statvfs string stringold stringprep strop "
    "struct subprocess sunau sunaudio symbol symtable sys sysconfig syslog tabnanny tarfile "
    "telnetlib tempfile termios test textwrap this thread threading time timeit tkinter token "
    "tokenize tomllib trace traceback tracemalloc ttk tty turtle turtledemo types typing "
    "unicodedata unittest urllib urllib2 urlparse uu uuid venv warnings wave weakref "
    "webbrowser whichdb winreg winsound wsgiref xdrlib xml xmllib xmlrpc xmlrpclib zipapp "
    "zipfile zipimport zlib zoneinfo ";

/// Packages whose purpose is to run code, commands or downloads: no checkpoint needs a class of
/// theirs.
constexpr std::string_view kDangerous =
    " Cython IPython cffi cloudpickle dill docker execnet fabric fsspec gdown git invoke "
    "ipykernel jinja2 joblib jupyter_client mako numba paramiko pexpect pip pkg_resources "
    "plumbum psutil ptyprocess py pyximport pytest requests rpyc setuptools sh smart_open "
    "twisted urllib3 wget win32com ";

/// Packages that training programs use, and their own modules.
constexpr std::string_view kTraining =
    " __main__ accelerate addict apex bitsandbytes clip datasets deepspeed diffusers easydict "
    "einops fairscale hydra k_diffusion kornia ldm library lightning lightning_fabric "
    "lightning_utilities ml_collections networks omegaconf open_clip peft pytorch_lightning "
    "safetensors sgm taming timm tokenizers torchaudio torchmetrics torchvision transformers "
    "xformers ";

/// Functions of torch that a configuration may name as an activation or an initialisation.
constexpr std::string_view kActivations = " relu tanh sigmoid softmax selu celu rrelu ";

std::string_view root_of(std::string_view module) { return module.substr(0, module.find('.')); }

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

bool is_identifier(std::string_view text) {
  return !text.empty() && is_letter(text.front()) &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return is_letter(c) || (c >= '0' && c <= '9'); });
}

/// By the custom that all of Python keeps to: classes begin with a capital letter.
bool looks_like_class(std::string_view name) {
  const auto first = name.find_first_not_of('_');
  return first != name.npos && name[first] >= 'A' && name[first] <= 'Z';
}

bool has_word(std::string_view words, std::string_view word) {
  const auto at = words.find(word);  // identifiers hold no blanks
  if (at == words.npos) return false;
  for (auto place = at; place != words.npos; place = words.find(word, place + 1)) {
    if (words[place - 1] == ' ' && words[place + word.size()] == ' ') return true;
  }
  return false;
}

bool is_known(std::string_view module, std::string_view name) {
  const bool of_torch = module == "torch" || module == "torch.cuda";
  if (of_torch && looks_like_class(name) && name.ends_with("Storage")) return true;
  return std::any_of(kKnown.begin(), kKnown.end(), [&](const Known& known) {
    return known.module == module && has_word(known.names, name);
  });
}

bool is_torchs_activation(std::string_view module, std::string_view name) {
  return module == "torch.nn.functional" || module == "torch.nn.init" || module == "torch._C._nn" ||
         (module == "torch" && has_word(kActivations, name));
}

}  // namespace

bool is_plain_name(std::string_view module, std::string_view name) {
  if (module.size() > kMostCharacters || name.size() > kMostCharacters || !is_identifier(name))
    return false;
  for (std::size_t begin = 0;;) {
    const auto dot = module.find('.', begin);
    if (!is_identifier(module.substr(begin, dot == module.npos ? dot : dot - begin))) return false;
    if (dot == module.npos) return true;
    begin = dot + 1;
  }
}

Trust trust_of(std::string_view module, std::string_view name) {
  if (!is_plain_name(module, name)) return Trust::kRefused;
  if (is_known(module, name)) return Trust::kKnown;
  if (looks_like_class(name) && has_word(kTypes, module)) return Trust::kType;
  const auto root = root_of(module);
  const bool hidden = root.starts_with('_') && root != "__main__";
  if (hidden || has_word(kPythons, root) || has_word(kDangerous, root)) return Trust::kRefused;
  if (looks_like_class(name)) return Trust::kClass;
  const bool may_be_named = takes_a_text(module) || is_torchs_activation(module, name);
  return may_be_named ? Trust::kFunction : Trust::kRefused;
}

bool takes_a_text(std::string_view module) { return has_word(kTraining, root_of(module)); }

}  // namespace sd::pickle
