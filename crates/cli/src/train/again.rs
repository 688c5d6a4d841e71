//! The command that trains the model of a run again.

use crate::args::job::COLUMNS;
use alexnet::error::shell;
use alexnet::parallel::{ExchangePrecision, FcExchange, Scheme};
use alexnet::train::Requests;
use alexnet::train::origin::Origin;

/// The command that trains the model of a run again, from its recipe in `FILE` and with its options.
pub(crate) fn command_again(origin: &Origin) -> String {
    let source = origin.source.path().map_or("SRC".into(), shell);
    let launcher = processes(&origin.requests).map_or_else(String::new, |n| format!("mpirun -n {n} "));
    let mut command = format!("{launcher}alexnet train {source} --recipe FILE --seed {}", origin.seed);
    for (name, value) in options(origin) {
        command += &format!(" --{name} {value}");
    }
    command
}

/// How many processes have to be started: `None` if one can compute the same bits. As many as there are leaves, which is the
/// number of a run that was started without `--leaves`.
fn processes(requests: &Requests) -> Option<usize> {
    let columns = match requests.scheme.unwrap_or_default() {
        Scheme::Data if requests.exchange_precision.unwrap_or_default() == ExchangePrecision::F32 => {
            return None;
        }
        Scheme::Columns { columns } => columns,
        Scheme::Data | Scheme::Hybrid { .. } => 1,
    };
    Some((columns * requests.leaves.unwrap_or(1)).max(2))
}

/// The options that the model depends on, as far as they are not the default, with their values.
fn options(origin: &Origin) -> Vec<(&'static str, String)> {
    let Requests { steps, leaves, .. } = origin.requests;
    let scheme = origin.requests.scheme.unwrap_or_default();
    let (columns, exchange) = match scheme {
        Scheme::Data => (COLUMNS, FcExchange::default()),
        Scheme::Columns { columns } => (columns, FcExchange::default()),
        Scheme::Hybrid { exchange } => (COLUMNS, exchange),
    };
    let precision = origin.requests.exchange_precision.unwrap_or_default();
    let options = [
        ("init", origin.init.as_ref().map(shell)),
        ("steps", steps.map(|steps| steps.to_string())),
        ("parallel", (scheme != Scheme::Data).then(|| scheme.name().to_owned())),
        ("columns", (columns != COLUMNS).then(|| columns.to_string())),
        ("fc-exchange", (exchange != FcExchange::default()).then(|| exchange.to_string())),
        ("leaves", leaves.filter(|&leaves| leaves != 1).map(|leaves| leaves.to_string())),
        ("exchange-precision", (precision != ExchangePrecision::F32).then(|| precision.to_string())),
    ];
    options.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alexnet::train::ImageSource;

    fn command(init: Option<&str>, requests: Requests) -> String {
        command_again(&Origin {
            format_version: Origin::FORMAT_VERSION,
            source: ImageSource::Path("/my pets".into()),
            seed: 7,
            init: init.map(Into::into),
            remedy: None,
            requests,
        })
    }

    #[test]
    fn the_command_has_what_the_model_depends_on() {
        let plain = "alexnet train '/my pets' --recipe FILE --seed 7";
        let scheme = |scheme| Requests { scheme: Some(scheme), ..Requests::default() };
        let f16 = Some(ExchangePrecision::F16);
        for (init, requests, before, after) in [
            (None, Requests::default(), "", ""),
            (Some("/a b.safetensors"), Requests::default(), "", " --init '/a b.safetensors'"),
            (None, Requests { steps: Some(24), threads: Some(3), ..Requests::default() }, "", " --steps 24"),
            (None, Requests { leaves: Some(4), ..scheme(Scheme::Data) }, "", " --leaves 4"),
            (None, Requests { leaves: Some(1), ..Requests::default() }, "", ""),
            (None, scheme(Scheme::Columns { columns: 2 }), "mpirun -n 2 ", " --parallel columns"),
            (
                None,
                Requests { leaves: Some(2), ..scheme(Scheme::Columns { columns: 3 }) },
                "mpirun -n 6 ",
                " --parallel columns --columns 3 --leaves 2",
            ),
            (
                None,
                Requests { leaves: Some(4), ..scheme(Scheme::Hybrid { exchange: FcExchange::Turns }) },
                "mpirun -n 4 ",
                " --parallel hybrid --fc-exchange turns --leaves 4",
            ),
            (
                None,
                Requests { leaves: Some(2), exchange_precision: f16, ..Requests::default() },
                "mpirun -n 2 ",
                " --leaves 2 --exchange-precision f16",
            ),
        ] {
            assert_eq!(command(init, requests), format!("{before}{plain}{after}"));
        }
    }
}
