//! The `alexnet` command.
#![forbid(unsafe_code)]

#[global_allocator]
static MEMORY: alexnet_kernels::memory::Allocator = alexnet_kernels::memory::Allocator;

fn main() -> std::process::ExitCode {
    alexnet::cli::run()
}
