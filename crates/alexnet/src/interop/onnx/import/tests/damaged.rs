//! Files that are cut off or damaged are refused, or read, and never more.

use super::*;

/// A small file with most operators.
fn file() -> Vec<u8> {
    Graph::new()
        .conv()
        .integers("sizes", &[2, 2])
        .node("Split", "conv sizes", "a b2", &[int("axis", 1)])
        .node("LRN", "a", "na", &[int("size", 3)])
        .node("LRN", "b2", "nb", &[int("size", 3)])
        .node("Concat", "na nb", "joined", &[int("axis", 1)])
        .node("MaxPool", "joined", "pool", &[ints("kernel_shape", &[8, 8])])
        .integers("to", &[0, -1])
        .node("Reshape", "pool to", "units", &[])
        .fc(KERNELS)
        .bytes("y")
}

fn read(bytes: &[u8]) -> Result<Imported, Error> {
    parse(bytes, "test", None, &OnnxImport::default())
}

#[test]
fn a_file_that_is_cut_off_anywhere_is_refused() {
    let whole = file();
    read(&whole).unwrap();
    for end in 0..whole.len() {
        // Fields follow each other without an end: what is left may be complete, but is no model without its version.
        let error = read(&whole[..end]).unwrap_err();
        assert!(error.help.is_some(), "{end}: {error}");
    }
}

#[test]
fn damaged_bytes_do_not_panic() {
    let whole = file();
    for at in 0..whole.len() {
        for value in [0, 1, 0x7f, 0x80, 0xff, whole[at] ^ 1, whole[at].wrapping_add(8)] {
            let mut damaged = whole.clone();
            damaged[at] = value;
            let _ = read(&damaged);
        }
    }
}

/// Branches in branches, each with several outputs, all of which are read.
#[test]
fn nested_branches_are_gone_through_once() {
    let outputs = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let named = |names: &[String]| {
        names.iter().map(|name| described(name, data_type::FLOAT, &[None])).collect::<Vec<_>>()
    };
    let mut nodes = vec![];
    let mut names: Vec<String> = outputs.map(|output| format!("{output}0")).to_vec();
    for name in &names {
        nodes.push(NodeProto {
            op_type: "Identity".into(),
            input: vec!["conv".into()],
            output: vec![name.clone()],
            ..NodeProto::default()
        });
    }
    for depth in 1..=10 {
        let branch = GraphProto { node: nodes, output: named(&names), ..GraphProto::default() };
        names = vec![format!("a{depth}"); outputs.len()];
        let branches = ["then_branch", "else_branch"].map(|name| AttributeProto {
            g: Some(Box::new(if name == "then_branch" { branch.clone() } else { GraphProto::default() })),
            ..attribute(name)
        });
        nodes = vec![NodeProto {
            op_type: "If".into(),
            input: vec!["yes".into()],
            output: vec![names[0].clone()],
            attribute: branches.to_vec(),
            ..NodeProto::default()
        }];
    }
    let mut graph = Graph::new().conv().integers("yes", &[1]);
    graph.proto.node.extend(nodes);
    let imported = graph.node("Relu", &names[0], "relu", &[]).rest().import();
    assert_same(&imported, &plain().import());
}

#[test]
fn sizes_beyond_the_file_are_refused_without_memory_for_them() {
    let big = [i64::MAX, 1 << 40, 4096, -1, 0];
    for a in big {
        for b in big {
            let mut graph = plain();
            graph.proto.initializer[0].dims = vec![a, b, 3, 3];
            let _ = read(&graph.clone().bytes("y"));
            graph.proto.node[0].attribute = vec![ints("pads", &[a, b, a, b]), ints("strides", &[b, a])];
            let _ = read(&graph.bytes("y"));
            let reshaped =
                Graph::new().conv().integers("to", &[a, b]).node("Reshape", "conv to", "units", &[]);
            let _ = read(&reshaped.fc(KERNELS * SIDE * SIDE).bytes("y"));
            let shape = Graph::new().integers("to", &[a, b]).node("ConstantOfShape", "to", "y", &[]);
            let _ = read(&shape.bytes("y"));
        }
    }
}
