// Package process runs what is measured, each in a process of its own, and reads how
// much processor time the kernel says that it used, and how often it allocated.
package process

import (
	"bufio"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Process is a child that printed the address it listens on.
type Process struct {
	// Address is what it printed, as host:port.
	Address string

	cmd   *exec.Cmd
	meter string
}

// Start builds a main package of the module in folder into dir, runs it and waits for its address.
func Start(dir, folder, pkg string, args ...string) (*Process, error) {
	binary := filepath.Join(dir, strings.NewReplacer("./", "", "/", "-").Replace(pkg))
	if err := build(dir, folder, pkg, binary); err != nil {
		return nil, fmt.Errorf("build %s: %w", pkg, err)
	}
	p := &Process{cmd: exec.Command(binary, args...), meter: binary + ".meter"}
	p.cmd.Env = append(os.Environ(), "BENCH_METER="+p.meter)
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
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

//go:embed meter.go.txt
var meter []byte

// build builds a package as it is, and the meter with it.
func build(dir, folder, pkg, binary string) error {
	source := filepath.Join(dir, "meter.go")
	if err := os.WriteFile(source, meter, 0o600); err != nil {
		return err
	}
	place, err := filepath.Abs(filepath.Join(folder, pkg, "bench_meter.go"))
	if err != nil {
		return err
	}
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {place: source}})
	if err != nil {
		return err
	}
	if err := os.WriteFile(binary+".overlay", overlay, 0o600); err != nil {
		return err
	}
	cmd := exec.Command("go", "build", "-overlay", binary+".overlay", "-o", binary, pkg)
	cmd.Dir = folder
	cmd.Stderr = os.Stderr
	return cmd.Run()
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

// Heap is what a process has allocated since it started.
type Heap struct {
	Objects, Bytes, Collections int64
}

// Heap asks the process.
func (p *Process) Heap() (h Heap, err error) {
	text, err := p.signal(syscall.SIGUSR1)
	if err == nil {
		_, err = fmt.Sscan(text, &h.Objects, &h.Bytes, &h.Collections)
	}
	return h, err
}

// Profile writes a processor profile of what happens during work to a file.
func (p *Process) Profile(file string, work func() error) error {
	if _, err := p.signal(syscall.SIGUSR2); err != nil {
		return err
	}
	failed := work()
	if _, err := p.signal(syscall.SIGUSR2); err != nil {
		return err
	}
	data, err := os.ReadFile(p.meter + ".pprof")
	if err != nil {
		return err
	}
	if err := os.WriteFile(file, data, 0o600); err != nil {
		return err
	}
	return failed
}

// signal sends a signal and waits for what the process writes then.
func (p *Process) signal(s syscall.Signal) (string, error) {
	_ = os.Remove(p.meter) // of the last time
	if err := p.cmd.Process.Signal(s); err != nil {
		return "", err
	}
	for range 1000 {
		if text, err := os.ReadFile(p.meter); err == nil {
			return string(text), nil
		}
		time.Sleep(2 * time.Millisecond)
	}
	return "", fmt.Errorf("%s does not answer %v", p.cmd.Path, s)
}
