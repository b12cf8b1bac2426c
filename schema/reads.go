package schema

import (
	"slices"
	"strings"
)

// readVerbs are the verbs with which the name of a method that only reads starts.
var readVerbs = wordSet("get list search query lookup count check")

// particles change the meaning of the verb before them: CheckOut is not a check.
var particles = wordSet("in out on off up down back away over through into onto along aside apart forward together")

// compounds are nouns and adjectives that start with a particle: GetOnCallSchedule and ListOutOfStockItems
// read. They do not apply to `check`, which forms phrasal verbs: CheckInStock may move stock.
var compounds = map[string]map[string]bool{
	"in":   wordSet("progress stock flight use review app memory transit bound game store network"),
	"on":   wordSet("call hand sale premises prem chain demand line board boarding"),
	"off":  wordSet("hours chain line peak site"),
	"out":  wordSet("of bound going put standing"),
	"up":   wordSet("to time stream coming"),
	"down": wordSet("time stream load loads"),
	"back": wordSet("up ups log logs order orders office end ends link links"),
	"over": wordSet("time due view head"),
}

// writeVerbs are verbs that change something and do not start the names of things, as `lock`, `update`, `push` and
// `restore` do: GetLock, GetUpdate and ListRestorePoints read.
var writeVerbs = wordSet("create delete remove insert upsert append modify destroy acquire ack acknowledge consume " +
	"enqueue dequeue increment decrement incr decr del purge cancel approve reject publish submit execute " +
	"enable disable activate deactivate unlock renew revoke assign unassign attach detach unbind unset terminate")

// verbalNouns are words that verbs make nouns of: GetDeleteStatus reads the status of a deletion.
var verbalNouns = wordSet("status statuses state states time times result results request requests response responses " +
	"operation operations job jobs task tasks event events history log logs permission permissions policy policies " +
	"option options marker markers count counts rate rates limit limits config settings error errors reason reasons")

func wordSet(words string) map[string]bool {
	set := make(map[string]bool)
	for word := range strings.FieldsSeq(words) {
		set[word] = true
	}
	return set
}

// readsByName reports whether the name of a method clearly says that it reads: GetBook and BatchGetBooks do;
// CheckOut, GetAndReset, GetOrCreateBook and GetBookThenDelete do not. When in doubt it returns false, because
// the calls of such a method may be repeated and are sent for a plain HTTP GET.
func readsByName(method string) bool {
	words := splitWords(method)
	for i := range words {
		words[i] = strings.ToLower(words[i])
	}
	if len(words) > 1 && words[0] == "batch" && words[1] == "get" {
		words = words[1:]
	}
	if len(words) == 0 || !readVerbs[words[0]] {
		return false
	}
	return !isPhrasal(words) && !actsDirectly(words) && !joinsVerbs(words)
}

// isPhrasal reports whether a particle belongs to the verb: CheckOut, CheckInGuest.
func isPhrasal(words []string) bool {
	if len(words) < 2 || !particles[words[1]] {
		return false
	}
	return words[0] == "check" || len(words) == 2 || !compounds[words[1]][words[2]]
}

// actsDirectly reports whether a verb that writes comes right after the first one: GetDeleteBook.
func actsDirectly(words []string) bool {
	return len(words) > 1 && writeVerbs[words[1]] && !verbalNouns[words[len(words)-1]]
}

// joinsVerbs reports whether a name goes on with another verb, or an alternative: GetAndLock, GetOrCreateBook,
// ListJobsThenAck, GetBookAndDelete, GetRowForUpdate. GetTermsAndConditions does not.
func joinsVerbs(words []string) bool {
	if slices.Contains(words, "or") || slices.Contains(words, "then") {
		return true
	}
	if len(words) > 1 && words[1] == "and" {
		return true
	}
	for i, word := range words[1:] {
		if i+2 < len(words) && (word == "and" || word == "for") && changes(words[i+2]) {
			return word == "and" || i+3 == len(words)
		}
	}
	return false
}

// changes reports whether a word, where a verb is expected, is one that changes something.
func changes(word string) bool { return writeVerbs[word] || conjoinedVerbs[word] }

// conjoinedVerbs start the names of things as well, but behind a conjunction they are verbs: GetJobAndLock.
var conjoinedVerbs = wordSet("lock update set reset clear claim mark move start stop run touch flush store save register " +
	"write edit patch post drain close open commit release refresh rotate archive add put apply send push pop kill " +
	"replace swap restore bind reserve increase decrease pay charge refund notify lease take book ship")
