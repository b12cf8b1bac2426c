// Package process runs what is measured, each in a process of its own, and reads
// how much processor time the kernel says that it used.
package process

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Process is a child that printed the address it listens on.
type Process struct {
	// Address is what it printed, as host:port.
	Address string

	cmd *exec.Cmd
}

// Start builds a main package of the module in folder into dir, runs it and waits for its address.
func Start(dir, folder, pkg string, args ...string) (*Process, error) {
	binary := filepath.Join(dir, filepath.Base(pkg))
	build := exec.Command("go", "build", "-o", binary, pkg)
	build.Dir = folder
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return nil, fmt.Errorf("build %s: %w", pkg, err)
	}
	cmd := exec.Command(binary, args...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &Process{cmd: cmd}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if p.Address = findAddress(lines.Text()); p.Address != "" {
			go func() { _, _ = io.Copy(io.Discard, out) }()
			return p, nil
		}
	}
	p.Stop()
	return nil, fmt.Errorf("%s printed no address", pkg)
}

// findAddress finds 127.0.0.1:PORT in a line.
func findAddress(line string) string {
	i := strings.Index(line, "127.0.0.1:")
	if i < 0 {
		return ""
	}
	return strings.FieldsFunc(line[i:], func(r rune) bool { return r == ' ' || r == '/' || r == ',' })[0]
}

// Stop kills the process.
func (p *Process) Stop() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// ticksPerSecond is USER_HZ, which Linux fixes for what it tells processes.
const ticksPerSecond = 100

// CPU returns the time that the process spent on a processor, in user and
// kernel mode (proc(5), stat, fields 14 and 15).
func (p *Process) CPU() (time.Duration, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	_, afterName, _ := strings.Cut(string(data), ") ")
	fields := strings.Fields(afterName)
	var ticks int64
	for _, field := range fields[11:13] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / ticksPerSecond, nil
}
