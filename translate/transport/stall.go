package transport

import "io"

// MayStall says that a body is a stream, which may be silent for as long as its call lives. Of
// other bodies, who serves them demands that they go on; see http.body_idle_timeout. It must be called before
// anything is read.
func MayStall(body io.Reader) {
	if b, ok := body.(interface{ MayStall() }); ok {
		b.MayStall()
	}
}
