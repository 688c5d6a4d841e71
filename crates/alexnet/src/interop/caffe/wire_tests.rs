//! The binary format, compared with the implementation of the `prost` crate, and hostile files.

use prost::Message as _;

use super::encode::{binary, binary_len, text};
use super::message::{Message, Value};
use super::origin::Origin;
use super::schema::NET;
use super::text::parse;
use super::wire::decode;

#[derive(Clone, PartialEq, prost::Message)]
struct ProstNet {
    #[prost(string, optional, tag = "1")]
    name: Option<String>,
    #[prost(int32, repeated, packed = "false", tag = "4")]
    input_dim: Vec<i32>,
    #[prost(message, repeated, tag = "100")]
    layer: Vec<ProstLayer>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ProstLayer {
    #[prost(string, optional, tag = "1")]
    name: Option<String>,
    #[prost(message, repeated, tag = "7")]
    blobs: Vec<ProstBlob>,
    #[prost(int32, optional, tag = "10")]
    phase: Option<i32>,
    #[prost(message, optional, tag = "108")]
    dropout: Option<ProstDropout>,
    /// `swish_param`, which the schema lacks.
    #[prost(message, optional, tag = "147")]
    swish: Option<ProstDropout>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ProstDropout {
    #[prost(float, optional, tag = "1")]
    ratio: Option<f32>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ProstBlob {
    #[prost(float, repeated, packed = "false", tag = "5")]
    unpacked: Vec<f32>,
    #[prost(message, optional, tag = "7")]
    shape: Option<ProstShape>,
    #[prost(double, repeated, tag = "8")]
    double_data: Vec<f64>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ProstShape {
    #[prost(int64, repeated, tag = "1")]
    dim: Vec<i64>,
}

fn net() -> ProstNet {
    let blob = ProstBlob {
        unpacked: vec![1.5, -2.25, 3e-9],
        shape: Some(ProstShape { dim: vec![3, 1, 1 << 40] }),
        double_data: vec![0.1, 2.0],
    };
    ProstNet {
        name: Some("a net".into()),
        input_dim: vec![1, 3, -227, i32::MAX],
        layer: vec![ProstLayer {
            name: Some("conv1".into()),
            blobs: vec![blob],
            phase: Some(1),
            dropout: Some(ProstDropout { ratio: Some(0.7) }),
            swish: Some(ProstDropout { ratio: Some(1.0) }),
        }],
    }
}

fn origin() -> Origin {
    Origin::binary("net.caffemodel")
}

#[test]
fn values_are_those_that_prost_encodes() {
    let (message, remarks) = decode(&net().encode_to_vec(), &origin(), &NET).unwrap();
    assert_eq!(message.text("name"), Some("a net"));
    assert_eq!(message.ints("input_dim"), [1, 3, -227, i64::from(i32::MAX)]);
    let layer = message.message("layer").unwrap();
    assert_eq!(layer.choice("phase"), Some("TEST"));
    assert_eq!(layer.message("dropout_param").unwrap().float("dropout_ratio"), Some(0.7));
    let blob = layer.message("blobs").unwrap();
    assert_eq!(blob.message("shape").unwrap().ints("dim"), [3, 1, 1 << 40]);
    assert_eq!(blob.find("data").unwrap().value, Value::Floats(vec![1.5, -2.25, 3e-9]));
    assert_eq!(blob.find("double_data").unwrap().value, Value::Floats(vec![0.1, 2.0]));
    assert!(remarks.rounded);
    assert_eq!(remarks.unknown.list().unwrap(), "`layer.field 147`");
}

#[test]
fn what_is_written_reads_back_and_prost_reads_it() {
    let shape = Message::default().with("dim", Value::Ints(vec![2, 300]));
    let blob =
        Message::default().with("data", Value::Floats(vec![0.25; 600])).with("shape", Value::Message(shape));
    let dropout = Message::default().with("dropout_ratio", Value::Float(0.3));
    let layer = Message::default()
        .with("name", Value::Text("a \"b\" \\ \n c é".into()))
        .with("blobs", Value::Message(blob))
        .with("phase", Value::Enum("TRAIN"))
        .with("dropout_param", Value::Message(dropout));
    let message = Message::default().with("input_dim", Value::Int(-7)).with("layer", Value::Message(layer));
    let mut bytes = Vec::new();
    binary(&message, &NET, &mut bytes).unwrap();
    assert_eq!(bytes.len(), binary_len(&message, &NET));
    let read = ProstNet::decode(bytes.as_slice()).unwrap();
    assert_eq!(read.input_dim, [-7]);
    assert_eq!(read.layer[0].name.as_deref(), Some("a \"b\" \\ \n c é"));
    assert_eq!(read.layer[0].phase, Some(0));
    assert_eq!(read.layer[0].dropout.as_ref().unwrap().ratio, Some(0.3));
    assert_eq!(read.layer[0].blobs[0].shape.as_ref().unwrap().dim, [2, 300]);
    assert_eq!(read.layer[0].blobs[0].unpacked, [0.25; 600]);
    let (back, _) = decode(&bytes, &origin(), &NET).unwrap();
    let (from_text, _) = parse(&text(&message), &Origin::text("net.prototxt"), &NET).unwrap();
    assert_eq!(text(&back), text(&message));
    assert_eq!(text(&from_text), text(&message));
}

#[test]
fn every_truncation_is_refused_or_shorter() {
    let bytes = net().encode_to_vec();
    let whole = decode(&bytes, &origin(), &NET).unwrap().0;
    for length in 0..bytes.len() {
        match decode(&bytes[..length], &origin(), &NET) {
            Ok((message, _)) => assert!(message.entries.len() < whole.entries.len()),
            Err(error) => {
                assert!(error.message.starts_with("net.caffemodel: byte "), "{error}");
                assert!(error.help.unwrap().contains("cut off"));
            }
        }
    }
}

#[track_caller]
fn refused(bytes: &[u8], part: &str) {
    let error = decode(bytes, &origin(), &NET).unwrap_err();
    assert!(error.message.contains(part), "{error}");
    assert!(error.help.is_some(), "{error}");
}

#[test]
fn hostile_files_are_refused() {
    // A layer of 2^63 bytes, one of 4 GB, a number without end, field 0, groups.
    refused(
        &[0xa2, 0x06, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
        "`layer`: 9223372036854775807 bytes, of which 0 are left",
    );
    refused(
        &[0xa2, 0x06, 0xff, 0xff, 0xff, 0xff, 0x0f, 1, 2],
        "`layer`: 4294967295 bytes, of which 2 are left",
    );
    refused(
        &[0x20, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
        "`input_dim`: 1 bytes are left",
    );
    refused(&[0x00, 0x00], "byte 0: no valid field number");
    refused(&[0xa3, 0x06], "wire type 3, expected 0, 1, 2 or 5");
    // A text, as files that a server returned instead of the weights.
    refused(b"<!DOCTYPE html><html><body>not found</body></html>", "byte 0");
    // Fields of other types: a name that is a number, a layer that is a number, bytes that are no UTF-8.
    refused(&[0x08, 0x01], "`name`: a value of another type than in caffe.proto");
    refused(&[0xa0, 0x06, 0x01], "`layer`: a value of another type");
    refused(&[0x0a, 0x01, 0xff], "`name`: not UTF-8");
    // `phase` of a layer is 7; three bytes of floats; a repeated message that may occur once.
    refused(&[0xa2, 0x06, 0x02, 0x50, 0x07], "`layer.phase`: the value 7, which has no meaning");
    refused(
        &[0xa2, 0x06, 0x07, 0x3a, 0x05, 0x2a, 0x03, 1, 2, 3],
        "`layer.blobs.data`: a value of another type",
    );
    refused(&[0xa2, 0x06, 0x06, 0xe2, 0x06, 0x00, 0xe2, 0x06, 0x00], "`layer.dropout_param`: a second value");
}

#[test]
fn memory_is_bounded_by_the_size_of_the_file() {
    // Two bytes for each value: more of them than any network has.
    let bytes: Vec<u8> = [0x20, 0x01].repeat(1 << 20 | 1);
    refused(&bytes, "more than 1048576 values");
    // As deep as the schema: unknown fields are not looked into.
    let nested = (0..1000).fold(Vec::new(), |inner: Vec<u8>, _| {
        let mut out = vec![0xaa, 0x08];
        let mut length = inner.len();
        while length >= 0x80 {
            out.push(length as u8 | 0x80);
            length >>= 7;
        }
        out.push(length as u8);
        out.extend(inner);
        out
    });
    let (message, remarks) = decode(&nested, &origin(), &NET).unwrap();
    assert!(message.entries.is_empty());
    assert_eq!(remarks.unknown.list().unwrap(), "`field 133`");
}
