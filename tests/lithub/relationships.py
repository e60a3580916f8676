"""Relationships that are found when the tests start; most tests define their own."""

from gm2m.connections import define_relationship

star_repo = define_relationship("star_repo", "lithub.Account", "lithub.Repo")
star_repo.attach(from_name="starred_repos", to_name="stargazers")
