//! What a pickle has that is not part of a state dict, and how to get one.

use std::collections::BTreeSet;

use crate::Error;
use crate::format::first_dozen;

/// The error for a pickle that names these functions and classes.
pub(super) fn explain(refused: &BTreeSet<String>) -> Error {
    let names = first_dozen(refused.iter());
    if refused.iter().any(|name| is_module(name)) {
        return Error::model(format!(
            "the file has a whole pickled module, which only its own program can load: {names}"
        ))
        .help(
            "if you trust the file, in Python: `torch.save(torch.load(\"INPUT\", weights_only=False).state_dict(), \
             \"weights.pth\")`, then import weights.pth",
        );
    }
    Error::model(format!(
        "the pickle names functions or classes that are not part of a state dict, and Python would run them: {names}"
    ))
    .help(
        "if you trust the file, save its state dict alone, in Python: `torch.save(torch.load(\"INPUT\", \
         weights_only=False)[\"state_dict\"], \"weights.pth\")`, then import weights.pth",
    )
}

/// Whether the name is that of a part of a network.
fn is_module(name: &str) -> bool {
    ["torch.nn.modules.", "torchvision.models.", "torch.nn.parallel."]
        .iter()
        .any(|start| name.starts_with(start))
}
