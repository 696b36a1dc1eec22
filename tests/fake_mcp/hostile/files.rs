//! Other people's files, and links that pretend to be one's own.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    os::unix::fs::{PermissionsExt as _, symlink},
    path::Path,
    thread,
};

use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use serde_json::{Value, json};

use super::{Attack, Outcome};

/// More of a file than any test looks at.
const ENOUGH: u64 = 64 * 1024;

pub(super) fn attempt(attack: &Attack) -> Option<Outcome> {
    let path = Path::new(&attack.path);
    Some(match attack.kind.as_str() {
        "read" => read(path),
        "list" => list(path),
        "link" => fs::read_link(path).map(|target| json!(target)),
        "write" => fs::write(path, &attack.text).map(|()| json!("written")),
        "append" => append(path),
        "plant" => plant(path),
        "make_directory" => fs::create_dir_all(path).map(|()| json!("made")),
        "symlink" => symlink(&attack.target, path).map(|()| json!("linked")),
        "hardlink" => fs::hard_link(&attack.target, path).map(|()| json!("linked")),
        "mode" => open_to_all(path),
        "mknod" => device(path),
        "swap" => swap(path.to_owned(), attack.target.clone()),
        _ => return None,
    })
}

fn read(path: &Path) -> Outcome {
    let mut bytes = Vec::new();
    File::open(path)?.take(ENOUGH).read_to_end(&mut bytes)?;
    Ok(json!(String::from_utf8_lossy(&bytes)))
}

pub(super) fn list(path: &Path) -> Outcome {
    let names = fs::read_dir(path)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let mut names = names.collect::<io::Result<Vec<String>>>()?;
    names.sort_unstable();
    Ok(json!(names))
}

/// Whether an existing file could be written to. Nothing is: on a host without walls it may be the host's.
fn append(path: &Path) -> Outcome {
    File::options().append(true).open(path)?;
    Ok(json!("open for writing"))
}

/// A new file in a directory, taken away again for the same reason.
fn plant(path: &Path) -> Outcome {
    File::create_new(path)?;
    fs::remove_file(path)?;
    Ok(json!("planted"))
}

/// What one may do to one's own directory, so that whoever removes it must cope.
fn open_to_all(path: &Path) -> Outcome {
    fs::set_permissions(path, fs::Permissions::from_mode(0o777))?;
    Ok(json!("open to all"))
}

/// The memory of the whole machine, as a device: major 1, minor 1.
fn device(path: &Path) -> Outcome {
    mknod(path, SFlag::S_IFCHR, Mode::S_IRUSR | Mode::S_IWUSR, makedev(1, 1))?;
    Ok(json!("made"))
}

/// From now on, `path` is in turn a directory with a file in it and a symbolic link to `target`, for
/// whoever removes or archives it to follow.
fn swap(path: std::path::PathBuf, target: String) -> Outcome {
    let aside = path.with_extension("aside");
    let again = move || -> io::Result<()> {
        fs::create_dir_all(&path)?;
        fs::write(path.join("file.log"), "mine")?;
        fs::rename(&path, &aside)?;
        symlink(&target, &path)?;
        fs::remove_file(&path)?;
        fs::rename(&aside, &path)
    };
    thread::spawn(move || {
        loop {
            // Whoever removes the tree at the same time makes steps of this fail: that is the attack.
            let _ = again();
        }
    });
    Ok(Value::from("swapping"))
}
