use proptest::prelude::*;

use super::*;

/// The root of a pickle, and the names that are refused.
fn loaded(pickle: &[u8]) -> Result<(String, Vec<String>), String> {
    let pickle = load(pickle).map_err(|error| error.message)?;
    Ok((shown(&pickle, pickle.root, 0), pickle.refused.iter().cloned().collect()))
}

/// A value as text; deep ones are cut off, since values can contain themselves.
fn shown(pickle: &Pickle<'_>, id: ValueId, depth: usize) -> String {
    if depth > 6 {
        return "...".into();
    }
    let all =
        |ids: &[ValueId]| ids.iter().map(|id| shown(pickle, *id, depth + 1)).collect::<Vec<_>>().join(" ");
    match pickle.value(id) {
        Value::None => "None".into(),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Float(value) => format!("{value:?}"),
        Value::Text(text) => format!("{text:?}"),
        Value::Bytes(bytes) => format!("{} bytes", bytes.len()),
        Value::Tuple(ids) => format!("({})", all(ids)),
        Value::List(ids) => format!("[{}]", all(ids)),
        Value::Dict(pairs) => {
            let pair = |(key, value): &(ValueId, ValueId)| all(&[*key]) + ":" + &all(&[*value]);
            format!("{{{}}}", pairs.iter().map(pair).collect::<Vec<_>>().join(" "))
        }
        Value::Constructor(_) => "constructor".into(),
        Value::Storage(storage) => format!("storage {}", storage.key),
        Value::Tensor(tensor) => format!("tensor {:?}/{:?}+{}", tensor.shape, tensor.strides, tensor.offset),
        Value::Refused => "refused".into(),
    }
}

#[test]
fn values_of_every_protocol_are_read() {
    for (pickle, expected) in [
        (&b"N."[..], "None"),
        (b"I01\nI00\n\x86.", "(true false)"),
        (b"(\x88\x89t.", "(true false)"),
        (b"(I-7\nJ\xf9\xff\xff\xffK\xffM\xff\xffL-7L\nL7\nt.", "(-7 -7 255 65535 -7 7)"),
        (b"(\x8a\x00\x8a\x01\xff\x8a\x02\xff\x00\x8b\x02\x00\x00\x00\x00\x80t.", "(0 -1 255 -32768)"),
        (b"\x8a\x11\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11.", "17 bytes"),
        (b"F1.5\nG\xbf\xf8\x00\x00\x00\x00\x00\x00\x86.", "(1.5 -1.5)"),
        (b"(S'a'\nT\x01\x00\x00\x00bU\x01cVd\nX\x01\x00\x00\x00e\x8c\x01ft.", "(\"a\" \"b\" \"c\" \"d\" \"e\" \"f\")"),
        (b"\x8d\x01\x00\x00\x00\x00\x00\x00\x00g.", "\"g\""),
        (b"(S'a\\n'\nVd\\u0041\nU\x01\xfft.", "(3 bytes 7 bytes 1 bytes)"),
        (b"(C\x02abB\x01\x00\x00\x00c\x8e\x01\x00\x00\x00\x00\x00\x00\x00d\x96\x00\x00\x00\x00\x00\x00\x00\x00t.", "(2 bytes 1 bytes 1 bytes 0 bytes)"),
        (b")K\x01\x85K\x01K\x02\x86K\x01K\x02K\x03\x87\x87\x86.", "(() ((1) (1 2) (1 2 3)))"),
        (b"](K\x01K\x02eK\x03a.", "[1 2 3]"),
        (b"(K\x01K\x02l.", "[1 2]"),
        (b"}(K\x01NK\x02NuK\x03Ns.", "{1:None 2:None 3:None}"),
        (b"(K\x01Nd.", "{1:None}"),
        (b"\x8f(K\x01\x90(K\x02\x91\x86.", "([1] (2))"),
        (b"K\x01q\x050h\x05.", "1"),
        (b"K\x01p300\nr\x00\x00\x01\x00j\x00\x00\x01\x00g300\n\x87.", "(1 1 1)"),
        (b"\x80\x04\x95\x03\x00\x00\x00\x00\x00\x00\x00K\x01\x94h\x00\x86.", "(1 1)"),
        (b"K\x01K\x022\x87.", "(1 2 2)"),
        (b"K\x01(K\x02K\x031(0.", "1"),
        (b"ccollections\nOrderedDict\n)R.", "{}"),
        (b"ccollections\nOrderedDict\n]](U\x01aK\x01ea\x85R.", "{\"a\":1}"),
        (b"\x8c\x0bcollections\x8c\x0bOrderedDict\x93)\x81.", "{}"),
        (b"ccollections\nOrderedDict\n)}\x92.", "{}"),
        (b"ccollections\nOrderedDict\n)R}U\x09_metadata}sb.", "{}"),
        (b"(icollections\nOrderedDict\n.", "{}"),
        (b"(ccollections\nOrderedDict\no.", "{}"),
        (b"ctorch._utils\n_rebuild_tensor\n((U\x07storagectorch.cuda\nHalfStorage\nU\x010U\x06cuda:0K\x06NtQK\x01K\x02K\x03\x86K\x03K\x01\x86tR.", "tensor [2, 3]/[3, 1]+1"),
    ] {
        assert_eq!(loaded(pickle), Ok((expected.to_owned(), vec![])), "{}", pickle.escape_ascii());
    }
}

/// One pickle for each operation by which Python runs something, or looks a name up.
#[test]
fn nothing_is_called_whatever_the_operation() {
    for (pickle, names) in [
        // REDUCE, of a name in the pickle or on the stack.
        (&b"cposix\nsystem\nU\x09touch pwd\x85R."[..], &["posix.system"][..]),
        (b"\x8c\x08builtins\x8c\x04eval\x93U\x031+1\x85R.", &["builtins.eval"]),
        // INST and OBJ.
        (b"(U\x09touch pwdios\nsystem\n.", &["os.system"]),
        (b"(c__builtin__\nexec\nU\x04passo.", &["__builtin__.exec"]),
        // NEWOBJ and NEWOBJ_EX.
        (b"csubprocess\nPopen\nU\x04true\x85\x81.", &["subprocess.Popen"]),
        (b"csubprocess\nPopen\n)}U\x04argsU\x04trues\x92.", &["subprocess.Popen"]),
        // EXT1, EXT2, EXT4.
        (b"\x82\x07)R.", &["extension code 7"]),
        (b"\x83\x07\x01)R.", &["extension code 263"]),
        (b"\x84\x07\x00\x01\x00)R.", &["extension code 65543"]),
        // BUILD calls __setstate__, APPENDS append, SETITEMS __setitem__.
        (b"cmodule\nThing\n)\x81}b.", &["module.Thing"]),
        (b"cmodule\nThing\n)\x81(K\x01eK\x01a.", &["module.Thing"]),
        (b"cmodule\nThing\n)\x81(K\x01K\x02uK\x01K\x02s.", &["module.Thing"]),
        // Attributes of what is known.
        (b"ctorch.serialization\nload\nU\x01a\x85R.", &["torch.serialization.load"]),
        (b"ctorch\nload\nctorch\nUntypedStorage\n\x86.", &["torch.UntypedStorage", "torch.load"]),
        (
            b"\x8c\x0bcollections\x8c\x20OrderedDict.__init__.__globals__\x93.",
            &["collections.OrderedDict.__init__.__globals__"],
        ),
        // An argument, and a key.
        (b"ccollections\nOrderedDict\n]](cos\ngetenv\nU\x01a\x85RK\x01ea\x85R.", &["os.getenv"]),
        // A module that was pickled with its source.
        (b"(U\x06modulecmodule\nNet\nU\x06net.pyU\x04passtQ.", &["module.Net"]),
        (b"((U\x07storagecmodule\nStorage\nU\x010U\x03cpuK\x01tQt.", &["module.Storage"]),
    ] {
        let (_, refused) =
            loaded(pickle).unwrap_or_else(|error| panic!("{}: {error}", pickle.escape_ascii()));
        assert_eq!(refused, names, "{}", pickle.escape_ascii());
    }
    assert!(!std::path::Path::new("pwd").exists());
}

#[test]
fn invalid_pickles_are_refused() {
    for (pickle, expected) in [
        (&b""[..], "truncated"),
        (b".", "the stack is empty"),
        (b"(.", "the stack is empty"),
        (b"K", "truncated"),
        (b"X\xff\xff\xff\xffa.", "truncated"),
        (b"\x8d\xff\xff\xff\xff\xff\xff\xff\xff.", "truncated"),
        (b"Iabc\n.", "a number is expected"),
        (b"Vabc", "a line has no end"),
        (b"S\xff\n.", "not UTF-8"),
        (b"\x80\x07N.", "protocol 7, expected at most 5"),
        (b"h\x00.", "nothing is remembered as 0"),
        (b"t.", "there is no mark"),
        (b"K\x01K\x02(0\x86u.", "there is no mark"),
        (b"}(K\x01u.", "a key without value"),
        (b"](K\x01K\x01u.", "items are added to a list"),
        (b"K\x01K\x01a.", "items are added to an integer"),
        (b"K\x01)R.", "an integer is called"),
        (b"K\x01}b.", "an integer has attributes"),
        (b"ccollections\nOrderedDict\nNR.", "the arguments are not a tuple"),
        (b"ccollections\nOrderedDict\nK\x01\x85R.", "not made of pairs"),
        (b"ccollections\nOrderedDict\nNN\x86R.", "wrong number of arguments"),
        (b"ccollections\nOrderedDict\n)}U\x01aK\x01s\x92.", "named arguments"),
        (b"ctorch\nFloatStorage\nK\x05\x85R.", "a storage is in the pickle"),
        (b"ctorch._utils\n_rebuild_tensor\n(NK\x00))tR.", "a tensor is made of None"),
        (b"ctorch._utils\n_rebuild_parameter\n(N\x88}tR.", "a parameter is None"),
        (b"K\x01K\x02\x93.", "the name of a class is not a string"),
        (b"(o.", "a class is missing"),
        (b"NQ.", "not a tuple"),
        (b"(U\x01atQ.", "not that of a storage"),
        (b"(U\x07storagectorch\nFloatStorage\nU\x010U\x03cpuK\x06)tQ.", "a view of another one"),
        (b"(U\x07storagectorch\nFloatStorage\nU\x010U\x03cpuJ\xff\xff\xff\xfftQ.", "-1 elements"),
        (b"Pabc\n.", "outside of the file"),
        (b"\x97.", "outside of the file"),
        (b"\xff.", "unknown operation 0xff"),
    ] {
        let error = loaded(pickle).unwrap_err();
        assert!(
            error.contains(expected) && error.starts_with("invalid pickle at byte "),
            "{}: {error}",
            pickle.escape_ascii()
        );
    }
    let storage =
        b"ctorch._utils\n_rebuild_tensor\n((U\x07storagectorch\nFloatStorage\nU\x010U\x03cpuK\x06tQ";
    for (rest, expected) in [
        (&b"J\xff\xff\xff\xff))tR."[..], "the size, stride or offset -1"),
        (b"K\x00N)tR.", "the size of a tensor is not a tuple"),
        (b"K\x00K\x01\x85)tR.", "not one stride for each dimension"),
        (b"NK\x01\x85K\x01\x85tR.", "None is where a number is expected"),
    ] {
        let error = loaded(&[storage, rest].concat()).unwrap_err();
        assert!(error.contains(expected), "{}: {error}", rest.escape_ascii());
    }
}

#[test]
fn values_can_contain_themselves() {
    assert_eq!(loaded(b"]q\x00h\x00a.").unwrap().0, "[[[[[[[...]]]]]]]");
    // A thousand tuples inside each other.
    let deep = [vec![b'N'], vec![0x85; 1000], vec![b'.']].concat();
    assert!(loaded(&deep).unwrap().0.contains("..."));
}

#[test]
fn memory_is_bounded() {
    // A list of pairs that is copied again and again.
    let pairs =
        [&b"]("[..], &b"K\x01K\x02\x86".repeat(60_000), b"eq\x01ccollections\nOrderedDict\nq\x02"].concat();
    let bomb = [&pairs[..], &b"h\x02h\x01\x85R".repeat(100_000), b"."].concat();
    assert!(loaded(&bomb).unwrap_err().contains("too many for a state dict"));
    let values = [&b"K\x01".repeat(5_000_000)[..], b"."].concat();
    assert!(loaded(&values).unwrap_err().contains("too many for a state dict"));
    let copies = [&b"N"[..], &b"2".repeat(5_000_000), b"."].concat();
    assert!(loaded(&copies).unwrap_err().contains("too many for a state dict"));
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = loaded(&bytes);
    }

    /// Bytes that mostly are operations without operands.
    #[test]
    fn any_operations_are_executed_or_refused(operations in prop::collection::vec(
        prop::sample::select(b"(012N\x88\x89)}]\x8ft\x85\x86\x87ld\x91aesu\x90R\x81\x92bQ\x94.\x93o".to_vec()), 0..200))
    {
        let start = b"ccollections\nOrderedDict\nU\x01ah\x00";
        let _ = loaded(&operations);
        let _ = loaded(&[&start[..27], &operations].concat());
    }
}
