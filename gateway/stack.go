package gateway

// stackRoom is more than half of the stack, in bytes, that a request comes to need on its
// way to the backend. Stacks are powers of two.
const stackRoom = 9 << 10

// growStack makes the stack as large as it will have to be. In HTTP/2 every request has a
// goroutine of its own, which begins with a small stack, and the stack is copied each time that
// it is full, frame by frame: here there are few frames, later there are many. Without this it
// is a tenth of what a small call costs.
func growStack() {
	var room [stackRoom]byte
	touch(&room)
}

//go:noinline
func touch(room *[stackRoom]byte) { room[0] = 1 }
