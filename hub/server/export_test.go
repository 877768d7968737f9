package server

// Forwarded is forwarded, for tests from outside.
var Forwarded = forwarded

// AskTime is askTime, for tests from outside.
var AskTime = askTime
