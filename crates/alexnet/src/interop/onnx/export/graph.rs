//! A graph while it is written: nodes, constants, and the tensor that the next layer reads.

use alexnet_kernels::geometry::Maps;

use crate::interop::onnx::proto::{
    AttributeProto, DimensionProto, GraphProto, NodeProto, TensorProto, TensorShapeProto, TensorTypeProto,
    TypeProto, ValueInfoProto, attribute_type, data_type,
};

/// The name of the number of images.
const BATCH: &str = "N";

/// A graph while it is written.
#[derive(Debug, Default)]
pub(super) struct GraphWriter {
    graph: GraphProto,
}

/// The tensor that the next layer reads.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Current {
    pub(super) name: String,
    pub(super) form: Form,
}

/// The dimensions of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// `[N, channels, height, width]`.
    Maps,
    /// `[N, units]`.
    Units,
}

impl GraphWriter {
    pub(super) fn new(name: &str, description: String) -> Self {
        Self { graph: GraphProto { name: name.to_owned(), doc_string: description, ..GraphProto::default() } }
    }

    /// Adds a node, named like its first output.
    pub(super) fn node(
        &mut self,
        operator: &str,
        inputs: &[&str],
        outputs: &[&str],
        attribute: Vec<AttributeProto>,
    ) {
        let own = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        self.graph.node.push(NodeProto {
            input: own(inputs),
            output: own(outputs),
            name: outputs[0].to_owned(),
            op_type: operator.to_owned(),
            attribute,
            domain: String::new(),
        });
    }

    /// Adds a constant array of floats.
    pub(super) fn floats(&mut self, name: &str, shape: &[usize], values: &[f32]) {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(name, data_type::FLOAT, shape, bytes);
    }

    /// Adds a constant float, of no dimension.
    pub(super) fn scalar(&mut self, name: &str, value: f32) {
        self.floats(name, &[], &[value]);
    }

    /// Adds a constant array of sizes or positions; -1 stands for a size that follows from the others.
    pub(super) fn integers(&mut self, name: &str, values: &[i64]) {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(name, data_type::INT64, &[values.len()], bytes);
    }

    /// Adds a constant array of 32-bit integers.
    pub(super) fn sums(&mut self, name: &str, values: &[i32]) {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(name, data_type::INT32, &[values.len()], bytes);
    }

    /// Adds a constant array of signed bytes.
    pub(super) fn signed_bytes(&mut self, name: &str, shape: &[usize], values: &[i8]) {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(name, data_type::INT8, shape, bytes);
    }

    /// Adds a constant byte, of no dimension.
    pub(super) fn byte(&mut self, name: &str, value: u8) {
        self.constant(name, data_type::UINT8, &[], vec![value]);
    }

    fn constant(&mut self, name: &str, data_type: i32, shape: &[usize], raw_data: Vec<u8>) {
        let dims = shape.iter().map(|&size| size as i64).collect();
        let name = name.to_owned();
        self.graph.initializer.push(TensorProto {
            dims,
            data_type,
            name,
            raw_data,
            ..TensorProto::default()
        });
    }

    /// Adds an input: an array for each image.
    pub(super) fn input(&mut self, name: &str, data_type: i32, sizes: &[usize]) {
        self.graph.input.push(described(name, data_type, sizes));
    }

    /// Adds an output: an array of floats for each image.
    pub(super) fn output(&mut self, name: &str, sizes: &[usize]) {
        self.graph.output.push(described(name, data_type::FLOAT, sizes));
    }

    /// Notes the shape of a layer's output, so that viewers show it.
    pub(super) fn shape(&mut self, current: &Current, maps: Maps) {
        let sizes = match current.form {
            Form::Maps => vec![maps.channels, maps.height, maps.width],
            Form::Units => vec![maps.len()],
        };
        self.graph.value_info.push(described(&current.name, data_type::FLOAT, &sizes));
    }

    /// The graph, without shapes of what are its outputs.
    pub(super) fn finish(mut self) -> GraphProto {
        let outputs: Vec<String> = self.graph.output.iter().map(|output| output.name.clone()).collect();
        self.graph.value_info.retain(|value| !outputs.contains(&value.name));
        self.graph
    }

    /// The current tensor as maps.
    pub(super) fn as_maps(&mut self, current: &Current, layer: &str, maps: Maps) -> String {
        match current.form {
            Form::Maps => current.name.clone(),
            Form::Units => {
                let (shape, output) = (format!("{layer}.maps_shape"), format!("{layer}.maps"));
                self.integers(&shape, &[0, maps.channels as i64, maps.height as i64, maps.width as i64]);
                self.node("Reshape", &[&current.name, &shape], &[&output], Vec::new());
                output
            }
        }
    }

    /// The current tensor as units, in the order of channels, rows and columns.
    pub(super) fn as_units(&mut self, current: &Current, layer: &str) -> String {
        match current.form {
            Form::Units => current.name.clone(),
            Form::Maps => {
                let output = format!("{layer}.units");
                self.node("Flatten", &[&current.name], &[&output], vec![integer("axis", 1)]);
                output
            }
        }
    }
}

fn described(name: &str, elem_type: i32, sizes: &[usize]) -> ValueInfoProto {
    let batch = DimensionProto { dim_value: None, dim_param: Some(BATCH.to_owned()) };
    let size = |&size: &usize| DimensionProto { dim_value: Some(size as i64), dim_param: None };
    let dim = std::iter::once(batch).chain(sizes.iter().map(size)).collect();
    let tensor_type = Some(TensorTypeProto { elem_type, shape: Some(TensorShapeProto { dim }) });
    ValueInfoProto { name: name.to_owned(), r#type: Some(TypeProto { tensor_type }) }
}

/// An attribute that is an integer.
pub(super) fn integer(name: &str, value: usize) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        i: Some(value as i64),
        r#type: attribute_type::INT,
        ..AttributeProto::default()
    }
}

/// An attribute that is an array of integers.
pub(super) fn integers(name: &str, values: &[usize]) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        ints: values.iter().map(|&value| value as i64).collect(),
        r#type: attribute_type::INTS,
        ..AttributeProto::default()
    }
}

/// An attribute that is a float.
pub(super) fn float(name: &str, value: f64) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        f: Some(value as f32),
        r#type: attribute_type::FLOAT,
        ..AttributeProto::default()
    }
}
