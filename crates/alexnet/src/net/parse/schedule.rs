//! Parses the `[schedule]` table.

use super::key::{CURVE, PLATEAU, STAIRCASE};
use super::range::EPOCHS;
use crate::Result;
use crate::net::reader::{Entry, Table};
use crate::net::schedule::{LrCurve, LrSchedule, Plateau, Schedule};

/// How the learning rate falls. A recipe has at most one of these keys.
#[derive(Clone, Copy)]
enum Fall {
    AtEpochs,
    Plateau,
    Linear,
    Cosine,
    Exponential,
    Staircase,
}

impl Fall {
    const ALL: [Self; 6] =
        [Self::AtEpochs, Self::Plateau, Self::Linear, Self::Cosine, Self::Exponential, Self::Staircase];

    fn key(self) -> &'static str {
        match self {
            Self::AtEpochs => "at_epochs",
            Self::Plateau => "plateau",
            Self::Linear => "linear",
            Self::Cosine => "cosine",
            Self::Exponential => "exponential",
            Self::Staircase => "staircase",
        }
    }
}

/// The smallest base of a power.
const SMALLEST_POWER: f64 = 1e-9;

pub(super) fn schedule(table: &Table<'_>) -> Result<Schedule> {
    let epochs = table.get("epochs", "90")?.integer(EPOCHS)?;
    let warm_up_epochs = table.find("warm_up_epochs").map(|entry| warm_up(&entry, epochs)).transpose()?;
    let lr = lr(table)?;
    if let (LrSchedule::Curve(curve), Some(entry)) = (&lr, table.find("warm_up_epochs"))
        && warm_up_epochs == Some(epochs)
    {
        let name = curve.name();
        return Err(entry.refuse(
            format!("less than {epochs}, the value of schedule.epochs: `{name}` applies to the epochs after the warm-up"),
            format!("remove one of them: `--set schedule.warm_up_epochs=none` or `--set schedule.{name}=none`"),
        ));
    }
    Ok(Schedule { epochs, warm_up_epochs, lr })
}

fn warm_up(entry: &Entry<'_>, epochs: usize) -> Result<usize> {
    let warm_up = entry.integer(EPOCHS).map_err(|error| {
        error.help("write `warm_up_epochs = 5`, or remove it: `--set schedule.warm_up_epochs=none`")
    })?;
    if warm_up > epochs {
        return Err(entry.refuse(
            format!("at most {epochs}, the value of schedule.epochs"),
            format!("write `warm_up_epochs = {epochs}`, or remove it: `--set schedule.warm_up_epochs=none`"),
        ));
    }
    Ok(warm_up)
}

fn lr(table: &Table<'_>) -> Result<LrSchedule> {
    let mut given = Vec::new();
    for fall in Fall::ALL {
        let Some(entry) = table.find(fall.key()) else { continue };
        let is_set = match fall {
            // An empty list of epochs is as good as none.
            Fall::AtEpochs => !at_epochs(&entry)?.is_empty(),
            // An error in it comes before that of two schedules.
            Fall::Plateau => table.find(fall.key()).map(plateau).transpose()?.is_some(),
            Fall::Linear | Fall::Cosine | Fall::Exponential | Fall::Staircase => true,
        };
        if is_set {
            given.push((fall, entry));
        }
    }
    if let [(first, entry), (second, _), ..] = given.as_slice() {
        let [first, second] = [first.key(), second.key()];
        return Err(entry.refuse(
            format!("either schedule.{first} or schedule.{second}, not both"),
            format!(
                "remove one of them, as with `--set schedule.{second}=none` or `--set schedule.{first}=none`"
            ),
        ));
    }
    let divide_by = || table.get("divide_by", "10.0")?.single(1.0..=1e6, 10.0);
    let Some((fall, entry)) = given.pop() else {
        let divide_by = table.find("divide_by").map(|_| divide_by()).transpose()?;
        return Ok(LrSchedule::Constant { divide_by });
    };
    let curve = match fall {
        Fall::AtEpochs => {
            return Ok(LrSchedule::AtEpochs { divide_by: divide_by()?, at_epochs: at_epochs(&entry)? });
        }
        Fall::Plateau => {
            return Ok(LrSchedule::Plateau { divide_by: divide_by()?, plateau: plateau(entry)? });
        }
        Fall::Linear => LrCurve::Linear { to: to(&entry.table()?.only(CURVE)?, 0.0)? },
        Fall::Cosine => LrCurve::Cosine { to: to(&entry.table()?.only(CURVE)?, 0.0)? },
        // A power of 0 would be 0 from the second step on.
        Fall::Exponential => LrCurve::Exponential { to: to(&entry.table()?.only(CURVE)?, SMALLEST_POWER)? },
        Fall::Staircase => {
            let table = entry.table()?.only(STAIRCASE)?;
            LrCurve::Staircase {
                to: to(&table, SMALLEST_POWER)?,
                levels: table.get("levels", "4")?.integer(2..=1000)?,
            }
        }
    };
    match table.find("divide_by") {
        None => Ok(LrSchedule::Curve(curve)),
        Some(entry) => Err(entry.refuse(
            format!("no `divide_by` with `{}`, which does not divide the learning rate", curve.name()),
            "remove `divide_by`, as with `--set schedule.divide_by=none`",
        )),
    }
}

fn to(table: &Table<'_>, smallest: f64) -> Result<f64> {
    table.get("to", "0.01")?.number(smallest..=1.0, 0.01)
}

fn at_epochs(entry: &Entry<'_>) -> Result<Vec<usize>> {
    let mut at_epochs = entry.integers(EPOCHS)?;
    if !at_epochs.is_sorted_by(|a, b| a < b) {
        at_epochs.sort_unstable();
        at_epochs.dedup();
        return Err(entry.refuse("ascending epochs", format!("write `at_epochs = {at_epochs:?}`")));
    }
    Ok(at_epochs)
}

fn plateau(entry: Entry<'_>) -> Result<Plateau> {
    let table = entry.table()?.only(PLATEAU)?;
    Ok(Plateau {
        patience: table.get("patience", "5")?.integer(EPOCHS)?,
        times: table.get("times", "3")?.integer(0..=100)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{Change, Network, Recipe, RecipeUse, diff, show};

    fn small() -> Recipe {
        Recipe::load("small").unwrap()
    }

    /// The recipe small with a curve instead of its divisions.
    fn with(key: &str, value: &str) -> Recipe {
        let mut recipe = small();
        recipe
            .set_all([("schedule.at_epochs", "none"), ("schedule.divide_by", "none"), (key, value)])
            .unwrap();
        recipe
    }

    #[test]
    fn curves_are_read_shown_and_written() {
        for (key, value, curve, shown) in [
            ("linear", "{ to = 0 }", LrCurve::Linear { to: 0.0 }, "falls linearly to 0 times"),
            ("cosine", "{ to = 0.01 }", LrCurve::Cosine { to: 0.01 }, "falls along a cosine to 0.01 times"),
            (
                "exponential",
                "{ to = 0.001 }",
                LrCurve::Exponential { to: 0.001 },
                "falls exponentially to 0.001 times",
            ),
            (
                "staircase",
                "{ to = 0.004, levels = 4 }",
                LrCurve::Staircase { to: 0.004, levels: 4 },
                "falls exponentially in 4 levels to 0.004 times",
            ),
        ] {
            let recipe = with(&format!("schedule.{key}"), value);
            assert_eq!(recipe.schedule.lr, LrSchedule::Curve(curve));
            assert_eq!(Recipe::parse(&recipe.to_toml(), "back").unwrap(), recipe);
            let text = show::text(&recipe, &Network::new(&recipe, 10).unwrap());
            let shown = format!("schedule    12 epochs, learning rate {shown} the initial one\n");
            assert!(text.contains(&shown), "{text}");
            let text = diff(&small(), &recipe);
            assert!(text.contains(&format!("schedule.{key}.to: none -> ")), "{text}");
            assert!(text.contains("- Curve of the learning rate: "), "{text}");
        }
        // One value at a time, as well.
        assert_eq!(
            with("schedule.linear.to", "0.5").schedule.lr,
            LrSchedule::Curve(LrCurve::Linear { to: 0.5 })
        );
    }

    #[test]
    fn a_schedule_has_one_way_to_lower_the_learning_rate() {
        for (settings, message, help) in [
            (
                vec![("schedule.linear", "{ to = 0 }")],
                "either schedule.at_epochs or schedule.linear, not both",
                "schedule.linear=none",
            ),
            (
                vec![
                    ("schedule.at_epochs", "none"),
                    ("schedule.cosine", "{ to = 0 }"),
                    ("schedule.linear", "{ to = 0 }"),
                ],
                "either schedule.linear or schedule.cosine, not both",
                "schedule.cosine=none",
            ),
            (
                vec![("schedule.at_epochs", "none"), ("schedule.linear", "{ to = 0 }")],
                "`schedule.divide_by` is 10.0, expected no `divide_by` with `linear`",
                "--set schedule.divide_by=none",
            ),
            (vec![("schedule.divide_by", "none")], "`schedule.divide_by` is missing", "divide_by=10.0"),
        ] {
            let error = small().set_all(settings).unwrap_err();
            assert!(error.message.contains(message), "{error}");
            assert!(error.help.as_ref().unwrap().contains(help), "{error}");
        }
    }

    #[test]
    fn invalid_curves_are_refused() {
        for (key, value, message) in [
            ("schedule.linear", "0.1", "`schedule.linear` is 0.1, expected a table"),
            ("schedule.linear", "{}", "`schedule.linear.to` is missing"),
            (
                "schedule.linear",
                "{ to = 1.5 }",
                "`schedule.linear.to` is 1.5, expected a number at least 0 and at most 1",
            ),
            ("schedule.linear", "{ to = 0, levels = 2 }", "unknown key `schedule.linear.levels`"),
            ("schedule.exponential", "{ to = 0 }", "`schedule.exponential.to` is 0, expected"),
            ("schedule.staircase", "{ to = 0.1 }", "`schedule.staircase.levels` is missing"),
            (
                "schedule.staircase",
                "{ to = 0.1, levels = 1 }",
                "`schedule.staircase.levels` is 1, expected an integer from 2",
            ),
            ("schedule.cosin.to", "0", "unknown key `schedule.cosin`"),
        ] {
            let mut recipe = with("schedule.epochs", "5");
            let error = recipe.set(key, value).unwrap_err();
            assert!(error.message.contains(message), "{error}");
            assert!(error.help.is_some(), "{error}");
        }
    }

    #[test]
    fn a_curve_needs_epochs_after_the_warm_up() {
        let mut recipe = with("schedule.linear.to", "0");
        let error = recipe.set("schedule.warm_up_epochs", "12").unwrap_err();
        assert!(error.message.contains("`schedule.warm_up_epochs` is 12, expected less than 12"), "{error}");
        recipe.set("schedule.warm_up_epochs", "11").unwrap();
        Change::parse("stop-after=3", &recipe).unwrap();
    }

    #[test]
    fn divisions_have_no_effect_on_a_constant_learning_rate() {
        let mut recipe = small();
        recipe.set("schedule.at_epochs", "none").unwrap();
        assert_eq!(recipe.schedule.lr, LrSchedule::Constant { divide_by: Some(10.0) });
        recipe.set("schedule.divide_by", "5").unwrap();
        recipe.check_effect(["schedule.divide_by"], RecipeUse::Training).unwrap_err();
        recipe.set("schedule.divide_by", "none").unwrap();
        assert_eq!(recipe.schedule.lr, LrSchedule::Constant { divide_by: None });
        assert!(!recipe.to_toml().contains("divide_by"));
    }
}
