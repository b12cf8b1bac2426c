package transport

// Streams of parts are multipart/mixed (RFC 2046, section 5.1) as GraphQL subscriptions over HTTP have it since Apollo
// Router: each part is a JSON document, and clients skip an empty object. A delimiter is written right behind each part,
// because clients read a part once they find the delimiter after it.

const partDelimiter = "\r\n--graphql"

// partHead stands between a delimiter and the document of a part.
const partHead = "\r\nContent-Type: application/json\r\n\r\n"

// parts are events as parts: of an event only the data is written. An event without data ends the parts.
var parts = eventForm{
	contentType: `multipart/mixed;boundary="graphql";subscriptionSpec=1.0`,
	opening:     partDelimiter,
	heartbeat:   partHead + "{}" + partDelimiter,
	append:      appendPart,
}

func appendPart(dst []byte, e Event) []byte {
	if e.Data == nil {
		return append(dst, "--\r\n"...)
	}
	return append(append(append(dst, partHead...), e.Data...), partDelimiter...)
}
