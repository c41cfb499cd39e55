-- mxprint in rspamd: which system and program sent the mail, what the client did,
-- and what its claims contradict.
--
-- Copy it to /etc/rspamd/mxprint.lua, and load it in /etc/rspamd/rspamd.local.lua:
--
--   dofile("/etc/rspamd/mxprint.lua")
--
-- As it stands every symbol has the score 0: it is shown, and changes nothing. Give
-- those a score that you have watched, in /etc/rspamd/local.d/groups.conf; the
-- group is "mxprint". Settings go into /etc/rspamd/rspamd.conf.local:
--
--   mxprint { socket = "/run/mxprint/query.sock"; header = "X-Mxprint"; timeout = 0.2; verdicts = ""; }
--
-- It reads the header of mxprint's milter (form = "full") where that has run
-- before. Without the header it asks the query socket, by connection where rspamd
-- knows the client's port and else by address. Without an answer in time the mail
-- goes on without a symbol.
--
-- With verdicts = "/run/mxprint/verdict.sock" ([store] listen of mxprint) it sends
-- what rspamd made of each mail, for mxprint's report. No mail waits for that.

local rspamd_logger = require "rspamd_logger"
local tcp = require "rspamd_tcp"
local ucl = require "ucl"

local settings = {
  socket = "/run/mxprint/query.sock", -- a path, or "" for the header alone
  header = "X-Mxprint",               -- or "" for the socket alone: a client can send it where no milter removes it
  timeout = 0.2,                      -- seconds
  verdicts = "",                      -- a path, or "": no verdicts are sent
}
for key, value in pairs(rspamd_config:get_all_opt("mxprint") or {}) do
  settings[key] = value
end

-- What each word of a list stands for. A word that is not here makes no symbol.
local findings = {
  conduct = {
    early_talker = "spoke before the greeting",
    greeting_talker = "spoke between the lines of the greeting",
    pipelining = "sent commands blind, which was not offered",
    pipelining_order = "sent commands blind behind one that ends a group",
    data_early = "sent the message before the 354",
    starttls_early = "sent something between STARTTLS and its reply",
    sudden_tls = "began TLS without STARTTLS",
    non_smtp = "sent something that is not SMTP",
    unknown_command = "sent a command that SMTP does not have",
    not_offered = "used an extension that was not offered",
    bare_lf = "ended a command by LF alone",
    bare_cr = "sent a CR without LF in a command",
    bare_lf_message = "ended a line of a message by LF alone",
    bare_cr_message = "sent a CR without LF in a message",
    after_quit = "went on after QUIT",
    no_quit = "hung up without QUIT",
    helo_after_ehlo = "sent HELO after EHLO was refused",
    hello_renamed = "gave a second name in EHLO or HELO",
    rset_storm = "sent RSET many times in a row",
    noop_storm = "sent NOOP many times in a row",
  },
  contradictions = {
    mailer_system = "names a program that does not run on its system",
    mailer_software = "names a mail program, and a library for scripts sent it",
    name_system = "has a large sender's name and another system",
    name_not_verified = "says a large sender's name that it does not have",
    software_system = "speaks like a program that does not run on its system",
    server_helo = "speaks like a mail server without a name of one",
    dynamic_desktop = "is a desktop at an access network that sends directly",
    mobile_exchanger = "says mail exchanger on a mobile link or a VPN",
    message_id_mailer = "has Python's Message-ID and names a mail program",
    helo_other_address = "says an address that is not its own",
  },
}

-- words reads KEY=VALUE and KEY="TEXT"; the first of a name counts.
local function words(text)
  local w, rest = {}, text:sub(1, 1000)
  while true do
    local key, behind = rest:match('^%s*([%w_]+)=(.*)$')
    if not key then return w end
    local value
    if behind:sub(1, 1) == '"' then
      value, rest = behind:match('^"([^"]*)"(.*)$')
    else
      value, rest = behind:match('^(%S*)(.*)$')
    end
    if not value then return w end
    if w[key] == nil then w[key] = value end
  end
end

local function insert(task, text)
  local w = words(text)
  if w.id then task:get_mempool():set_variable("mxprint_id", w.id) end
  if not w.os then return end
  local sure = not (w.software_quality or ""):find("generic", 1, true) -- else a candidate, which is no name
  task:insert_result("MXPRINT", 1.0, w.os, sure and w.software or "")
  if w.os:match("^Windows") then task:insert_result("MXPRINT_WINDOWS", 1.0, w.os) end
  if w.os:match("^Linux") then task:insert_result("MXPRINT_LINUX", 1.0, w.os) end
  if w.os == "unknown" then task:insert_result("MXPRINT_UNKNOWN", 1.0) end
  if w.shared_ip == "Y" then task:insert_result("MXPRINT_SHARED", 1.0) end
  if w.new == "Y" then task:insert_result("MXPRINT_NEW", 1.0) end
  for list, known in pairs(findings) do
    for id, may in (w[list] or ""):gmatch("([%w_]+)(%??)") do
      if known[id] then
        -- What may have an innocent cause counts half.
        task:insert_result("MXPRINT_" .. id:upper(), may == "?" and 0.5 or 1.0)
      end
    end
  end
end

-- ask asks the query socket about the client.
local function ask(task)
  local ip = task:get_from_ip()
  if settings.socket == "" or not ip or not ip:is_valid() then return end
  local query = "full wait=0 " .. ip:to_string()
  local port = ip.get_port and ip:get_port() or 0
  if port > 0 then query = query .. " " .. port end
  tcp.request({
    task = task,
    host = settings.socket,
    data = { query .. "\n" },
    timeout = settings.timeout,
    stop_pattern = "\n",
    callback = function(err, data)
      if err then
        rspamd_logger.infox(task, "mxprint does not answer: %s", err)
        return
      end
      insert(task, tostring(data):gsub("[\r\n]+$", ""), nil)
    end,
  })
end

local function check(task)
  local text = settings.header ~= "" and task:get_header(settings.header)
  if text then
    insert(task, text)
  else
    ask(task)
  end
end

local id = rspamd_config:register_symbol({
  name = "MXPRINT", type = "callback,normal", flags = "empty,nostat",
  callback = check, score = 0.0, group = "mxprint",
  description = "the system that opened the connection, and the program that spoke",
})

-- verdict sends the action and the score, with the id of the connection or the
-- client. The threshold is that from which on a mail is marked.
local function verdict(task)
  local v = { source = "rspamd", action = task:get_metric_action(), id = task:get_mempool():get_variable("mxprint_id") }
  local score, ip = task:get_metric_score(), task:get_from_ip()
  if score then v.score = score[1] end
  v.required_score = rspamd_config:get_metric_action("add header")
  if not v.id and ip and ip:is_valid() then
    local port = ip.get_port and ip:get_port() or 0
    v.client = ip:to_string()
    if port > 0 then v.client = (ip:get_version() == 6 and "[" .. v.client .. "]" or v.client) .. ":" .. port end
  end
  if not v.id and not v.client then return end
  tcp.request({
    task = task,
    host = settings.verdicts,
    data = { ucl.to_format(v, "json-compact", true) .. "\n" },
    timeout = settings.timeout,
    stop_pattern = "\n",
    callback = function(err)
      if err then rspamd_logger.infox(task, "mxprint does not take the verdict: %s", err) end
    end,
  })
end

if settings.verdicts ~= "" then
  rspamd_config:register_symbol({ name = "MXPRINT_VERDICT", type = "idempotent", flags = "empty,explicit_disable,ignore_passthrough", callback = verdict })
end

local function symbol(name, description)
  rspamd_config:register_symbol({ name = name, type = "virtual", parent = id, score = 0.0, group = "mxprint", description = description })
  rspamd_config:set_metric_symbol({ name = name, score = 0.0, group = "mxprint", description = description })
end

symbol("MXPRINT_WINDOWS", "a Windows system opened the connection")
symbol("MXPRINT_LINUX", "a Linux system opened the connection")
symbol("MXPRINT_UNKNOWN", "no signature matches the system that opened the connection")
symbol("MXPRINT_SHARED", "several systems use the client's address")
symbol("MXPRINT_NEW", "the sensor has not seen this sender before")
for _, known in pairs(findings) do
  for name, description in pairs(known) do
    symbol("MXPRINT_" .. name:upper(), "the client " .. description)
  end
end
