library(sendmailR)
e <- Sys.getenv()
for (to in list(strsplit(e[["TO"]], " ")[[1]])) sendmail("<sender@example.org>", paste0("<", to, ">"), "x", list("text"), control = list(smtpServer = e[["ADDR"]], smtpPortSMTP = as.integer(e[["PORT"]]), smtpPort = as.integer(e[["PORT"]])))
