"""Who we are to servers: logins that are kept, and sessions of callers' own. Others are met in `server/identity`."""
