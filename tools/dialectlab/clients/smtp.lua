local smtp = require("socket.smtp")
local f = assert(io.open(os.getenv("MSG"), "rb"))
local text = f:read("*a"):match("\n\n(.*)")
local to = {}
for t in os.getenv("TO"):gmatch("%S+") do to[#to + 1] = "<" .. t .. ">" end
print(smtp.send{from = "<sender@example.org>", rcpt = to, server = os.getenv("ADDR"), port = os.getenv("PORT"),
	source = smtp.message{headers = {subject = "x"}, body = text}})
