//! The functions and classes that a pickle may name. They are recognized by name; nothing is imported or called.

use crate::interop::torch::element::Element;

/// A function or class that state dicts are made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::interop::torch) enum Constructor {
    /// `collections.OrderedDict`.
    OrderedDict,
    /// `torch._utils._rebuild_tensor`: a view of a storage, in files of PyTorch before 0.4.
    RebuildTensor,
    /// `torch._utils._rebuild_tensor_v2`: the same, with settings of autograd.
    RebuildTensorV2,
    /// `torch._utils._rebuild_parameter`: a tensor that is trained.
    RebuildParameter,
    /// `torch.FloatStorage` and the like: an array of numbers of this type.
    Storage(Element),
}

impl Constructor {
    /// The constructor with this name, if it is known.
    pub(super) fn named(module: &str, name: &str) -> Option<Self> {
        match (module, name) {
            ("collections", "OrderedDict") => Some(Self::OrderedDict),
            ("torch._utils", "_rebuild_tensor") => Some(Self::RebuildTensor),
            ("torch._utils", "_rebuild_tensor_v2") => Some(Self::RebuildTensorV2),
            ("torch._utils", "_rebuild_parameter") => Some(Self::RebuildParameter),
            ("torch" | "torch.cuda", _) => {
                name.strip_suffix("Storage").and_then(Element::of_storage).map(Self::Storage)
            }
            _ => None,
        }
    }
}
