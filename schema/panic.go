package schema

import (
	"fmt"
	"runtime"
	"strings"
)

// PanicError is a panic that [Guard] turned into an error. It stands for a defect of the gateway that some input triggers.
type PanicError struct {
	Value any
	// Stack has one function and its position per line, innermost first. It has neither addresses nor goroutine numbers, so
	// that the same defect always has the same stack.
	Stack string
}

func (e *PanicError) Error() string {
	return fmt.Sprintf("the gateway failed on these files, which is a defect in it: %v", e.Value)
}

// Guard calls f and returns a panic in it as a [PanicError], so that one backend's files cannot end the process.
func Guard(f func() error) (err error) {
	defer func() {
		if value := recover(); value != nil {
			err = &PanicError{Value: value, Stack: stack()}
		}
	}()
	return f()
}

// maxStackFrames bounds the frames of a [PanicError].
const maxStackFrames = 64

// stack returns the frames below the deferred function that called it.
func stack() string {
	const skipped = 3 // runtime.Callers, stack, and the deferred function
	callers := make([]uintptr, maxStackFrames)
	frames := runtime.CallersFrames(callers[:runtime.Callers(skipped, callers)])
	var b strings.Builder
	for more := true; more; {
		var frame runtime.Frame
		frame, more = frames.Next()
		fmt.Fprintf(&b, "%s %s:%d\n", frame.Function, frame.File, frame.Line)
	}
	return b.String()
}
