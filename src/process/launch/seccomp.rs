//! System calls that only reach for the kernel, refused: a list of what no MCP server needs.
//!
//! Refused is an error that programs can handle, not the end of them: `EPERM`; for `clone3` (whose
//! flags a filter cannot see) and `io_uring` (which goes around filters) `ENOSYS`, so that libraries use
//! what came before. System calls of another architecture end the process.

use std::{collections::BTreeMap, io};

use nix::libc;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    apply_filter, sock_filter,
};

use super::failure::{Failure, wall};
use crate::{
    domain::walls::{Level, Wall},
    process::wire::Built,
};

/// Refused whatever their arguments.
const REFUSED: &[i64] = &[
    // Mounts and roots.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_open_by_handle_at,
    libc::SYS_fanotify_init,
    // Namespaces.
    libc::SYS_unshare,
    libc::SYS_setns,
    // Other processes.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    libc::SYS_move_pages,
    libc::SYS_migrate_pages,
    // The kernel itself.
    libc::SYS_kexec_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_reboot,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_lookup_dcookie,
    libc::SYS_acct,
    libc::SYS_syslog,
    libc::SYS_vhangup,
    libc::SYS_nfsservctl,
    // Keys belong to the user, who is in several rooms.
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    // The clock, and the name of the host.
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
];

#[cfg(target_arch = "x86_64")]
const REFUSED_HERE: &[i64] = &[
    libc::SYS_kexec_file_load,
    libc::SYS_iopl,
    libc::SYS_ioperm,
    libc::SYS_modify_ldt,
    libc::SYS_uselib,
    libc::SYS_ustat,
    libc::SYS_sysfs,
    libc::SYS__sysctl,
];
#[cfg(target_arch = "aarch64")]
const REFUSED_HERE: &[i64] = &[libc::SYS_kexec_file_load];

/// Refused in a strict room, too: memory that can be run without a file, and what is new and large.
const REFUSED_STRICTLY: &[i64] = &[
    libc::SYS_memfd_create,
    libc::SYS_memfd_secret,
    libc::SYS_execveat,
    libc::SYS_name_to_handle_at,
    libc::SYS_set_mempolicy,
    libc::SYS_mbind,
    libc::SYS_mknodat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_mknod,
];

/// As if the kernel had never heard of them.
const UNKNOWN: [i64; 4] =
    [libc::SYS_clone3, libc::SYS_io_uring_setup, libc::SYS_io_uring_enter, libc::SYS_io_uring_register];

/// Makes a namespace, as a flag of `clone`.
const NAMESPACES: [libc::c_int; 8] = [
    libc::CLONE_NEWNS,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWCGROUP,
    // CLONE_NEWTIME; as an exit signal to `clone` it has no other meaning.
    0x80,
];

/// Kinds of sockets that lead out of the host, or into rarely visited parts of the kernel.
const SOCKETS: [libc::c_int; 3] = [libc::AF_VSOCK, libc::AF_ALG, libc::AF_PACKET];

/// Restricts this process and whatever comes of it.
pub(super) fn enforce(level: Level) -> Result<Built, Failure> {
    let failed = |error: Box<dyn std::error::Error>| io::Error::other(error.to_string());
    let (program, count) =
        program(level).map_err(failed).map_err(wall(Wall::Seccomp, "cannot make the filter of system calls:"))?;
    apply_filter(&program)
        .map_err(|error| match error {
            seccompiler::Error::Prctl(error) | seccompiler::Error::Seccomp(error) => error,
            error => io::Error::other(error.to_string()),
        })
        .map_err(wall(Wall::Seccomp, "cannot filter system calls:"))?;
    Ok(Built { wall: Wall::Seccomp, detail: format!("{count} system calls are refused") })
}

/// The filter, and how many system calls it refuses, in whole or in part.
fn program(level: Level) -> Result<(BpfProgram, usize), Box<dyn std::error::Error>> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        REFUSED.iter().chain(REFUSED_HERE).map(|number| (*number, Vec::new())).collect();
    rules.extend(partly()?);
    if level == Level::Strict {
        rules.extend(REFUSED_STRICTLY.iter().map(|number| (*number, Vec::new())));
    }
    let count = rules.len() + UNKNOWN.len();
    let refuse = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refuse, std::env::consts::ARCH.try_into()?)?;
    let rest: BpfProgram = filter.try_into()?;
    let mut program = prelude();
    program.extend(rest);
    Ok((program, count))
}

/// Those that are refused with some arguments only.
fn partly() -> Result<Vec<(i64, Vec<SeccompRule>)>, seccompiler::BackendError> {
    use SeccompCmpOp::{Eq, MaskedEq, Ne};
    type Rules = Result<Vec<SeccompRule>, seccompiler::BackendError>;
    let when = |index, operator, value: u64| SeccompCondition::new(index, SeccompCmpArgLen::Dword, operator, value);
    let one = |index, operator, value: u64| SeccompRule::new(vec![when(index, operator, value)?]);
    let flag = |bits: libc::c_int| u64::from(bits.unsigned_abs());
    let device = |index| -> Rules {
        let kind = u64::from(libc::S_IFMT);
        [libc::S_IFCHR, libc::S_IFBLK].map(|device| one(index, MaskedEq(kind), u64::from(device))).into_iter().collect()
    };
    let namespaces: Rules = NAMESPACES.map(|bits| one(0, MaskedEq(flag(bits)), flag(bits))).into_iter().collect();
    let sockets: Rules = SOCKETS.map(|family| one(0, Eq, flag(family))).into_iter().collect();
    // What it has already, and the question for it.
    let personality = SeccompRule::new(vec![when(0, Ne, 0)?, when(0, Ne, 0xffff_ffff)?])?;
    // Typing into a terminal for somebody else.
    let ioctl = vec![one(1, Eq, libc::TIOCSTI)?, one(1, Eq, libc::TIOCLINUX)?];
    Ok(vec![
        (libc::SYS_clone, namespaces?),
        (libc::SYS_socket, sockets?),
        (libc::SYS_personality, vec![personality]),
        (libc::SYS_ioctl, ioctl),
        (libc::SYS_mknodat, device(2)?),
        #[cfg(target_arch = "x86_64")]
        (libc::SYS_mknod, device(1)?),
    ])
}

/// What comes before the rules, which have one answer only: those that are unknown, and the second set
/// of numbers that x86 kernels may know (x32), which would go around the rules.
fn prelude() -> BpfProgram {
    const LOAD_NUMBER: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    const IF_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const IF_AT_LEAST: u16 = (libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K) as u16;
    const ANSWER: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    let unknown = libc::SECCOMP_RET_ERRNO | libc::ENOSYS.unsigned_abs();
    let mut program = vec![sock_filter { code: LOAD_NUMBER, jt: 0, jf: 0, k: 0 }];
    let tests = UNKNOWN.iter().filter_map(|number| Some((IF_EQUAL, u32::try_from(*number).ok()?)));
    let x32 = cfg!(target_arch = "x86_64").then_some((IF_AT_LEAST, 0x4000_0000));
    for (code, k) in tests.chain(x32) {
        program.push(sock_filter { code, jt: 0, jf: 1, k });
        program.push(sock_filter { code: ANSWER, jt: 0, jf: 0, k: unknown });
    }
    program
}
