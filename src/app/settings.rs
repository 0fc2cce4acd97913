//! Where the configuration comes from: the file that was found, and the environment. Read again on SIGHUP.

use crate::app::error::AppError;
use crate::config::Config;
use crate::config::Use;
use std::env;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::path::PathBuf;

/// Looked at when neither `--config` nor `$GUARDPOST_CONFIG` names a file.
const PLACES: [&str; 2] = ["guard.toml", "/etc/guardpost/guard.toml"];
/// The largest file, octets.
const FILE: u64 = 1 << 20;

/// The sources of a configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The file.
    pub file: PathBuf,
    environment: Vec<(String, String)>,
}

impl Settings {
    /// `named`, else `$GUARDPOST_CONFIG`, else `./guard.toml`, else `/etc/guardpost/guard.toml`.
    pub fn find(named: Option<&Path>) -> Result<Self, AppError> {
        let environment: Vec<(String, String)> = env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .filter(|(name, _)| name.starts_with("GUARDPOST_"))
            .collect();
        let said = environment.iter().find(|(name, value)| name == "GUARDPOST_CONFIG" && !value.is_empty());
        let file = match (named, said) {
            (Some(file), _) => file.to_owned(),
            (None, Some((_, file))) => file.into(),
            (None, None) => PLACES
                .iter()
                .map(PathBuf::from)
                .find(|file| file.exists())
                .ok_or_else(|| AppError::NoConfiguration(PLACES.join(", ")))?,
        };
        Ok(Self { file, environment })
    }

    /// Reads everything, as it is now.
    pub fn load(&self) -> Result<Config, AppError> {
        let mut text = String::new();
        fs::File::open(&self.file)
            .and_then(|file| file.take(FILE).read_to_string(&mut text))
            .map_err(AppError::file(&self.file))?;
        Ok(Config::load(&self.file.display().to_string(), &text, &self.environment, Use::Server)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_was_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("guard.toml");
        fs::write(&file, "hostname = 3\n").unwrap();
        let settings = Settings::find(Some(&file)).unwrap();
        let trouble = settings.load().unwrap_err();
        assert_eq!(trouble.exit(), 78);
        assert!(
            trouble.to_string().contains("guard.toml:1: hostname: must be a text in quotes"),
            "{trouble}"
        );
        let missing = Settings::find(Some(&dir.path().join("none"))).unwrap().load().unwrap_err();
        assert!(missing.to_string().contains("none: "), "{missing}");
    }
}
