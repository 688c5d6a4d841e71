//! The tests of the library, but for those that read its sources or measure the memory of the process: one program, since each has to be
//! linked with all of the library.

#[path = "support/images.rs"]
mod images;
#[path = "support/markers.rs"]
mod markers;
mod support;

mod archives;
mod bf16;
mod caffe;
mod check;
mod columns;
mod cuda_convnet;
mod data;
mod decode;
mod engine;
mod fix;
mod flat;
mod formats;
mod golden;
mod hybrid;
mod ilsvrc;
mod inference;
mod jpeg;
mod large_batches;
mod layouts;
mod lists;
mod loader;
mod onnx;
mod operations;
mod pack;
mod packed_sets;
mod parallel;
mod quantize;
mod quantized_files;
mod shards;
mod sources;
mod statistics;
mod tars;
mod torch;
