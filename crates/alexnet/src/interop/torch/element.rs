//! The types of a tensor's elements, and their conversion to 32-bit floats.

use alexnet_kernels::{bf16, f16};
use safetensors::Dtype;

/// The type of a tensor's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Element {
    F64,
    F32,
    F16,
    Bf16,
    /// A type that no weight has: its name and its size in bytes.
    Other(&'static str, usize),
}

impl Element {
    /// The type of `torch.NAMEStorage`.
    pub(super) fn of_storage(name: &str) -> Option<Self> {
        Some(match name {
            "Double" => Self::F64,
            "Float" => Self::F32,
            "Half" => Self::F16,
            "BFloat16" => Self::Bf16,
            "Long" => Self::Other("int64", 8),
            "Int" => Self::Other("int32", 4),
            "Short" => Self::Other("int16", 2),
            "Char" => Self::Other("int8", 1),
            "Byte" => Self::Other("uint8", 1),
            "Bool" => Self::Other("bool", 1),
            "ComplexDouble" => Self::Other("complex128", 16),
            "ComplexFloat" => Self::Other("complex64", 8),
            _ => return None,
        })
    }

    /// The type of an array in a safetensors file.
    pub(super) fn of_dtype(dtype: Dtype) -> Self {
        match dtype {
            Dtype::F64 => Self::F64,
            Dtype::F32 => Self::F32,
            Dtype::F16 => Self::F16,
            Dtype::BF16 => Self::Bf16,
            Dtype::I64 => Self::Other("int64", 8),
            Dtype::U64 => Self::Other("uint64", 8),
            Dtype::I32 => Self::Other("int32", 4),
            Dtype::U32 => Self::Other("uint32", 4),
            Dtype::I16 => Self::Other("int16", 2),
            Dtype::U16 => Self::Other("uint16", 2),
            Dtype::I8 => Self::Other("int8", 1),
            Dtype::U8 => Self::Other("uint8", 1),
            Dtype::BOOL => Self::Other("bool", 1),
            Dtype::C64 => Self::Other("complex64", 8),
            other => Self::Other("a float of 8 bits or fewer", other.bitsize().div_ceil(8)),
        }
    }

    /// The name in messages.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::F64 => "float64",
            Self::F32 => "float32",
            Self::F16 => "float16",
            Self::Bf16 => "bfloat16",
            Self::Other(name, _) => name,
        }
    }

    /// The size in bytes.
    pub(super) fn size(self) -> usize {
        match self {
            Self::F64 => 8,
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
            Self::Other(_, size) => size,
        }
    }

    /// The function from the little-endian bytes of an element to its value, if it is a float.
    pub(super) fn to_f32(self) -> Option<fn(&[u8]) -> f32> {
        match self {
            Self::F64 => Some(|bytes| f64::from_le_bytes(array(bytes)) as f32),
            Self::F32 => Some(|bytes| f32::from_le_bytes(array(bytes))),
            Self::F16 => Some(|bytes| f16::to_f32(u16::from_le_bytes(array(bytes)))),
            Self::Bf16 => Some(|bytes| bf16::to_f32(u16::from_le_bytes(array(bytes)))),
            Self::Other(..) => None,
        }
    }
}

/// The first `N` bytes; zeros if there are fewer.
fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.first_chunk().copied().unwrap_or([0; N])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_converted_from_their_bytes() {
        let value = |element: Element, bytes: &[u8]| element.to_f32().unwrap()(bytes);
        assert_eq!(value(Element::F64, &(-2.5f64).to_le_bytes()), -2.5);
        assert_eq!(value(Element::F32, &0.1f32.to_le_bytes()), 0.1);
        assert_eq!(value(Element::F16, &[0, 0x3e]), 1.5);
        assert_eq!(value(Element::Bf16, &[0xc0, 0x3f]), 1.5);
        // Beyond the range of 32 bits: found by the check for finite weights.
        assert_eq!(value(Element::F64, &1e300f64.to_le_bytes()), f32::INFINITY);
        assert!(Element::of_storage("Long").unwrap().to_f32().is_none());
        assert_eq!(Element::of_storage("Untyped"), None);
    }
}
