package translate

import "net/http"

// Refuse answers a request that no door has looked at, such as one that is too
// large or whose handler panicked, in the form of REST's errors. Message is for the client.
func Refuse(w http.ResponseWriter, r *http.Request, httpStatus int, message string) {
	new(errorWriter).write(w, r, refuse(httpStatus, message))
}
