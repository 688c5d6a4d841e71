//! The program as users run it: what it prints where, and its exit codes.

mod bench;
mod classify;
mod data;
mod ensemble;
mod evaluate;
mod inspect;
mod interop;
mod lr_find;
mod output;
mod plan_cluster;
mod precision;
mod quantize;
mod recipes;
mod reproduce;
mod resume;
mod settings;
mod shell;
mod support;
mod train;
mod usage;
