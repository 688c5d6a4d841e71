//! `alexnet completions` and `alexnet man`.

use std::process::{Command, Stdio};

use crate::support::{path, run, run_json};

#[test]
fn completion_scripts_name_every_command_and_parse() {
    for shell in ["bash", "zsh", "fish"] {
        let (script, _) = run(&["completions", shell], 0);
        for word in ["lr-find", "from-journal", "checkpoint-steps", "json-lines", "quiet"] {
            assert!(script.contains(word), "{shell}: no {word}");
        }
        let (value, _) = run_json(&["completions", shell, "--json"], 0);
        assert_eq!((&value["shell"], &value["script"]), (&shell.into(), &script.as_str().into()));
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("script");
        std::fs::write(&file, script).unwrap();
        // Only where the shell is installed.
        let check = Command::new(shell).arg("-n").arg(&file).stdin(Stdio::null()).output();
        assert!(check.is_err() || check.unwrap().status.success(), "{shell}");
    }
    run(&["completions", "tcsh"], 2);
}

/// Bash itself completes a command and an option.
#[test]
fn bash_completes() {
    let (script, _) = run(&["completions", "bash"], 0);
    let complete = |words: &str, at: usize| {
        let text = format!(
            "{script}\nCOMP_WORDS=({words}); COMP_CWORD={at}; _alexnet alexnet \"${{COMP_WORDS[{at}]}}\" \
             \"${{COMP_WORDS[{}]}}\"; echo \"${{COMPREPLY[*]}}\"",
            at - 1
        );
        let output = Command::new("bash").args(["-c", &text]).output().ok()?;
        Some(String::from_utf8(output.stdout).unwrap().trim().to_owned())
    };
    let Some(found) = complete("alexnet cla", 1) else { return };
    assert_eq!(found, "classify");
    assert_eq!(complete("alexnet train --micro", 2).unwrap(), "--micro-batch");
    assert_eq!(complete("alexnet data ch", 2).unwrap(), "check");
}

#[test]
fn man_pages_cover_every_command() {
    let folder = tempfile::tempdir().unwrap();
    let (value, _) = run_json(&["man", &path(&folder.path().join("man1")), "--json"], 0);
    let files: Vec<&str> =
        value["files"].as_array().unwrap().iter().filter_map(|file| file.as_str()).collect();
    for page in ["alexnet.1", "alexnet-train.1", "alexnet-data-check.1", "alexnet-recipe-from-journal.1"] {
        let file = files.iter().find(|file| file.ends_with(&format!("/{page}"))).unwrap();
        let text = std::fs::read_to_string(file).unwrap();
        assert!(text.contains(".SH SYNOPSIS") && text.contains("\\-\\-quiet"), "{text}");
    }
    let text = std::fs::read_to_string(folder.path().join("man1/alexnet-train.1")).unwrap();
    assert!(text.contains("resume\\-or\\-start") && text.contains("bit for bit"), "{text}");
}
