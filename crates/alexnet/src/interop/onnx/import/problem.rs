//! What keeps a graph from being imported: all of it is listed at once.

use crate::Error;
use crate::interop::onnx::proto::NodeProto;

/// A result of a node, or what is not supported about it.
pub(super) type Supported<T> = std::result::Result<T, String>;

/// The most problems that are listed.
const LISTED: usize = 40;

/// Something that is not supported, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) place: String,
    pub(super) what: String,
}

/// The name of a node in messages.
pub(super) fn label(node: &NodeProto) -> String {
    let name = if node.name.is_empty() { node.output.first().unwrap_or(&node.name) } else { &node.name };
    format!("node `{}` ({})", shown(name), shown(&node.op_type))
}

/// A name of the file, on one line and not too long.
pub(super) fn shown(name: &str) -> String {
    let short: String = name.chars().take(80).flat_map(char::escape_debug).collect();
    if name.chars().count() > 80 { format!("{short}...") } else { short }
}

/// The error that lists all problems.
pub(super) fn unsupported(problems: &[Problem]) -> Error {
    let mut lines: Vec<String> =
        problems.iter().take(LISTED).map(|Problem { place, what }| format!("  {place}: {what}")).collect();
    if problems.len() > LISTED {
        lines.push(format!("  and {} more", problems.len() - LISTED));
    }
    let count = match problems.len() {
        1 => "a part of the graph is".to_owned(),
        many => format!("{many} parts of the graph are"),
    };
    Error::model(format!("{count} not supported:\n{}", lines.join("\n"))).help(
        "networks are imported that are chains of convolutions, fully connected layers, ReLU, Tanh, Sigmoid, pooling, response \
         normalization, batch normalization after a convolution, and dropout; docs/onnx.md lists the operators",
    )
}
