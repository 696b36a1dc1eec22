// Before anything is painted: the theme that was chosen, if one was.
try {
    const theme = localStorage.getItem("berth.theme");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
    // Storage may be forbidden; then the system's theme it is.
}
