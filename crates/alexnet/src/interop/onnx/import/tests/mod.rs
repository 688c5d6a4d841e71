//! Graphs as other programs write them, node by node.

mod arrays;
mod damaged;
mod layers;
mod refused;
mod shapes;

use prost::Message;

use super::{OnnxImport, parse};
use crate::Error;
use crate::interop::Imported;
use crate::interop::onnx::proto::{
    AttributeProto, DimensionProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto,
    TensorShapeProto, TensorTypeProto, TypeProto, ValueInfoProto, data_type,
};
use crate::net::Spec;

/// The numbers of channels, kernels and outputs of the network that most tests vary.
const KERNELS: usize = 4;
const OUTPUTS: usize = 5;
const SIDE: usize = 8;

/// A graph while it is written. Its input is `x`.
#[derive(Clone)]
struct Graph {
    proto: GraphProto,
    opset: i64,
}

impl Graph {
    /// One without nodes, for any number of images.
    fn new() -> Self {
        let proto = GraphProto {
            input: vec![described("x", data_type::FLOAT, &[None, Some(3), Some(SIDE), Some(SIDE)])],
            ..GraphProto::default()
        };
        Self { proto, opset: 17 }
    }

    fn opset(mut self, opset: i64) -> Self {
        self.opset = opset;
        self
    }

    /// Adds a node, named like its first output.
    fn node(mut self, operator: &str, inputs: &str, outputs: &str, attribute: &[AttributeProto]) -> Self {
        let names = |names: &str| names.split(' ').map(|name| name.replace('-', "")).collect::<Vec<_>>();
        self.proto.node.push(NodeProto {
            input: names(inputs),
            output: names(outputs),
            name: names(outputs)[0].clone(),
            op_type: operator.to_owned(),
            attribute: attribute.to_vec(),
            domain: String::new(),
        });
        self
    }

    fn tensor(mut self, tensor: TensorProto) -> Self {
        self.proto.initializer.push(tensor);
        self
    }

    fn floats(self, name: &str, shape: &[usize], values: &[f32]) -> Self {
        self.tensor(floats(name, shape, values))
    }

    fn integers(self, name: &str, values: &[i64]) -> Self {
        let tensor = TensorProto {
            dims: vec![values.len() as i64],
            data_type: data_type::INT64,
            name: name.to_owned(),
            int64_data: values.to_vec(),
            ..TensorProto::default()
        };
        self.tensor(tensor)
    }

    /// Adds the convolution from `x` to `conv`, and the arrays `w` and `b`.
    fn conv(self) -> Self {
        self.conv_arrays().node("Conv", "x w b", "conv", &[ints("pads", &[1; 4])])
    }

    fn conv_arrays(self) -> Self {
        self.floats("w", &[KERNELS, 3, 3, 3], &numbers(1, KERNELS * 27)).floats(
            "b",
            &[KERNELS],
            &numbers(2, KERNELS),
        )
    }

    /// Adds the fully connected layer from `units`, with `inputs` of them, to `y`.
    fn fc(self, inputs: usize) -> Self {
        self.fc_arrays(inputs).node("Gemm", "units fw fb", "y", &[int("transB", 1)])
    }

    fn fc_arrays(self, inputs: usize) -> Self {
        self.floats("fw", &[OUTPUTS, inputs], &numbers(3, OUTPUTS * inputs)).floats(
            "fb",
            &[OUTPUTS],
            &numbers(4, OUTPUTS),
        )
    }

    /// The end of a network whose maps are `relu`, with the side of the input.
    fn rest(self) -> Self {
        self.node("Flatten", "relu", "units", &[]).fc(KERNELS * SIDE * SIDE)
    }

    fn bytes(mut self, output: &str) -> Vec<u8> {
        self.proto.output = vec![described(output, data_type::FLOAT, &[None, Some(OUTPUTS)])];
        let opset = OperatorSetIdProto { domain: String::new(), version: self.opset };
        let file = ModelProto {
            ir_version: 8,
            graph: Some(self.proto),
            opset_import: vec![opset],
            ..ModelProto::default()
        };
        file.encode_to_vec()
    }

    fn import(self) -> Imported {
        self.import_from("y")
    }

    fn import_from(self, output: &str) -> Imported {
        parse(&self.bytes(output), "test", None, &OnnxImport::default()).unwrap()
    }

    fn refusal(self) -> Error {
        let error = parse(&self.bytes("y"), "test", None, &OnnxImport::default()).unwrap_err();
        assert!(error.help.is_some(), "{error}");
        error
    }
}

/// Convolution, ReLU, fully connected layer: what most tests write in another way.
fn plain() -> Graph {
    Graph::new().conv().node("Relu", "conv", "relu", &[]).rest()
}

fn described(name: &str, elem_type: i32, sizes: &[Option<usize>]) -> ValueInfoProto {
    let dimension = |size: &Option<usize>| DimensionProto {
        dim_value: size.map(|size| size as i64),
        dim_param: size.is_none().then(|| "N".to_owned()),
    };
    let shape = Some(TensorShapeProto { dim: sizes.iter().map(dimension).collect() });
    let tensor_type = Some(TensorTypeProto { elem_type, shape });
    ValueInfoProto { name: name.to_owned(), r#type: Some(TypeProto { tensor_type }) }
}

fn floats(name: &str, shape: &[usize], values: &[f32]) -> TensorProto {
    assert_eq!(shape.iter().product::<usize>(), values.len(), "{name}");
    TensorProto {
        dims: shape.iter().map(|&size| size as i64).collect(),
        data_type: data_type::FLOAT,
        name: name.to_owned(),
        raw_data: values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        ..TensorProto::default()
    }
}

fn attribute(name: &str) -> AttributeProto {
    AttributeProto { name: name.to_owned(), ..AttributeProto::default() }
}

fn int(name: &str, value: i64) -> AttributeProto {
    AttributeProto { i: Some(value), ..attribute(name) }
}

fn ints(name: &str, values: &[i64]) -> AttributeProto {
    AttributeProto { ints: values.to_vec(), ..attribute(name) }
}

fn float(name: &str, value: f32) -> AttributeProto {
    AttributeProto { f: Some(value), ..attribute(name) }
}

fn text(name: &str, value: &str) -> AttributeProto {
    AttributeProto { s: Some(value.into()), ..attribute(name) }
}

/// Reproducible numbers from -1 to 1 that 16-bit floats of either kind hold exactly.
fn numbers(seed: u64, count: usize) -> Vec<f32> {
    let number = |at: usize| alexnet_kernels::hash::combine(seed, at as u64) % 255;
    (0..count).map(|at| (number(at) as f32 - 127.0) / 128.0).collect()
}

fn specs(imported: &Imported) -> Vec<&Spec> {
    imported.recipe.layers.iter().map(|layer| &layer.spec).collect()
}

/// That two networks have the same layers, and parameters that differ by rounding alone.
fn assert_same(found: &Imported, expected: &Imported) {
    assert_eq!(specs(found), specs(expected));
    for (found, expected) in found.parameters.iter().zip(&expected.parameters) {
        assert_eq!(found.shape, expected.shape);
        let is_close = |(a, b): (&f32, &f32)| (a - b).abs() <= 1e-6 * b.abs().max(1.0);
        assert!(found.data.iter().zip(&expected.data).all(is_close), "{}", found.name);
    }
}

fn assert_notes(imported: &Imported, expected: &str) {
    assert!(imported.notes.iter().any(|note| note.contains(expected)), "{expected}: {:#?}", imported.notes);
}
